"""Photos joined to their captions: which caption files are meant, and what they say of each photo of a folder."""

from __future__ import annotations

import itertools
import logging
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import CaptionsError
from clip_pipeline.records import PHOTO_FIELDS
from clip_pipeline.sources.photos.caption_files import (
    CAPTION_PLACES,
    PUBLISHED_JSON,
    find_caption_files,
    read_caption_file,
)
from clip_pipeline.sources.photos.metadata import FACT_COLUMNS
from clip_pipeline.sources.photos.names import PhotoFinder, path_inside, photo_ids
from clip_pipeline.sources.photos.splits import (
    find_split_lists,
    parse_splits,
    read_split_lists,
    splits_of_files,
    splits_of_paths,
)
from clip_pipeline.sources.tables.text_files import check_text, lines_of, plain_ending, read_text
from clip_pipeline.sources.tables.values import texts_of

logger = logging.getLogger(__name__)

BESIDE = (".txt", ".caption", ".text")
ROWS_CHECKED = 1000
"""Of each caption file before long work."""


@dataclass(frozen=True)
class CaptionOptions:
    """Where captions and splits are, in the words of the settings; "" finds them.

    files: caption files, with commas between. first: names of caption files that are taken before all others where they are
    there, such as dataset_coco.json. splits: "train=FILE,validation=FILE,test=FILE", lists of file names, one a line; "none"
    takes no split. captions_wanted: also where class folders could be meant. file_key, caption_keys: columns of caption files; of tars members and keys (txt, json.prompt).
    """

    files: str = ""
    first: tuple[str, ...] = ()
    splits: str = ""
    file_key: str = ""
    caption_keys: str = ""
    captions_wanted: bool = False

    def named(self) -> bool:
        """Whether somebody has said which the caption files are."""
        return bool(self.files.strip(" ,"))


@dataclass
class _Said:
    """What caption files say of one photo: its captions, and facts, the first that is said of each."""

    captions: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    named_split: str | None = None


def captioned_photos(
    folder: Path, names: list[str], options: CaptionOptions, counts: LeftOut, repeats: bool = False
) -> pa.Table:
    """Photos with their captions: PHOTO_FIELDS, sorted by url.

    folder: where the caption files are, or NAME.txt beside each NAME.jpg. names: paths of the photos, inside of it or of a
    folder that it stands for. repeats: whether a photo keeps a caption that it has twice, which a benchmark counts twice (10
    photos of Flickr8k).

    Splits are those of lists, else of the caption files: a column, Karpathy's splits, or their names (captions_train2014.json,
    captions_val2014.json), else of folders called so (train/, test/). A photo without one gets a null split, so that the pipeline splits it as it does any other.

    A photo without a caption keeps its row; so does a captioned file that is not there or lies outside of the folder, which
    the download then marks missing_file. `url` is `file:` and the path inside the folder, `id` that path without its ending.
    What is missing is counted in `counts`. No caption at all is no error here (`check_captions`). Raises CaptionsError for a
    caption file or split list that does not fit. Memory holds the captions: see docs/photos.md for figures.
    """
    files = caption_files_of(folder, options)
    said = _said_of(folder, names, files, options, counts) if files else _captions_beside(folder, names)
    absent = sorted(said.keys() - set(names))
    if absent:
        counts.add("captioned photo that is not there", len(absent), absent[0])
    rows = sorted({*names, *absent})
    of_rows = [said.get(name, _Said()) for name in rows]
    without = [name for name, one in zip(rows, of_rows, strict=True) if not one.captions]
    counts.add("photo without caption", len(without), next(iter(without), ""))
    split_of = _splits_of(folder, options, files, rows, said, counts)
    logger.info("Found %d photos in %s, %d of them with captions", len(names), folder, sum(n in said for n in names))
    facts = {name: [one.facts.get(name) for one in of_rows] for name in FACT_COLUMNS if name not in ("split", "words")}
    return photo_table(
        ids=photo_ids(rows),
        urls=[f"file:{name}" for name in rows],
        captions=[one.captions if repeats else list(dict.fromkeys(one.captions)) for one in of_rows],
        source="folder",
        split=[split_of.get(name) for name in rows],
        words=[one.facts.get("words", []) for one in of_rows],
        **facts,
    )


def has_captions(photos: pa.Table) -> bool:
    """Whether any photo of PHOTO_FIELDS has a caption."""
    import pyarrow.compute as pc

    return bool(pc.sum(pc.list_value_length(photos["captions"])).as_py())


def photo_table(ids: list[str], urls: list[str], captions: list[list[str]], source: str, **columns: list) -> pa.Table:
    """PHOTO_FIELDS from lists of one value a photo; a column that is not given is null."""
    given = {"id": ids, "url": urls, "captions": captions, "source": [source] * len(ids), **columns}
    given = {"words": [[]] * len(ids), **given}
    fields = [pa.array(given.get(field.name, [None] * len(ids)), field.type) for field in PHOTO_FIELDS]
    return pa.Table.from_arrays(fields, schema=pa.schema(PHOTO_FIELDS))


def caption_files_of(folder: Path, options: CaptionOptions) -> list[Path]:
    """The caption files that the options name, here or in the folder, or else those that are found in it.

    Raises CaptionsError for a named one that is not there."""
    for name, place in itertools.product(options.first, CAPTION_PLACES):
        if (folder / place / name).is_file():
            return [folder / place / name]
    if not options.files.strip(" ,"):
        return find_caption_files(folder)
    files = []
    for name in filter(None, (one.strip() for one in options.files.split(","))):
        given = Path(name).expanduser()
        file = given if given.exists() else folder / given
        if not file.is_file():
            raise CaptionsError(
                f"There is no caption file {name}, here or in {folder}. Check links.captions (of the train command: "
                "--captions)."
            )
        files.append(file)
    return files


def check_sample(folder: Path, options: CaptionOptions) -> None:
    """Reads the first rows of each caption file, the bytes of texts (`check_text`), and the lists of splits, before long work. Raises
    CaptionsError as `captioned_photos`, SettingsError for `options.splits`."""
    for file in caption_files_of(folder, options):
        for _ in itertools.islice(
            read_caption_file(file, options.file_key, options.caption_keys, LeftOut()), ROWS_CHECKED
        ):
            pass
        if plain_ending(file) not in (".parquet", ".pq"):
            check_text(file, CaptionsError)
    for split, given in parse_splits(options.splits).items():
        file = given if given.exists() else folder / given
        if not file.is_file():
            raise CaptionsError(f"There is no list {given} of the {split} photos. Check links.splits.")
        read_text(file, CaptionsError)


def _said_of(
    folder: Path, names: list[str], files: Sequence[Path], options: CaptionOptions, counts: LeftOut
) -> dict[str, _Said]:
    """What the files say, by path inside the folder; paths of absent photos are as they are written."""
    finder = PhotoFinder(names)
    said: dict[str, _Said] = {}
    split_of = splits_of_files(files)
    root = folder.absolute()
    for file in files:
        beside = file.absolute().parent
        below = beside.relative_to(root).as_posix() if beside.is_relative_to(root) else "."
        images = PUBLISHED_JSON.fullmatch(file.name)  # captions_train2014.json: of the photos in train2014
        for row in read_caption_file(file, options.file_key, options.caption_keys, counts):
            written = [path_inside(folder, row.name), posixpath.join(below, row.name), row.name]
            if images:
                written.insert(0, posixpath.join(images["images"], row.name))
            if below in (".", *CAPTION_PLACES):
                name = finder.find(*written) or path_inside(folder, row.name)
            else:
                name = _name_below(below, row.name, written[0], finder)
            one = said.setdefault(name, _Said())
            one.captions.extend(row.captions)
            one.facts = row.facts | one.facts
            one.named_split = one.named_split or split_of.get(file)
    present = set(names)
    if not any(name in present for name in said):
        raise CaptionsError(
            f"None of the {len(said):,} files that {', '.join(map(str, files))} names is in {folder}; the first is "
            f"{next(iter(said), 'none')}. Write names relative to the folder of photos, or give the folder that they are in."
        )
    return said


def _name_below(below: str, written: str, inside: str, finder: PhotoFinder) -> str:
    """The photo that a caption file in a folder of its own means: one there, as train/0.jpg and test/0.jpg may both be; or by a
    path from the folder of all."""
    here = [posixpath.normpath(posixpath.join(below, place, written)) for place in ("", "images", "image")]
    found = finder.find(*here, *([inside, written] if "/" in inside else []))
    if found is None and (other := finder.find(written)) and other.startswith(f"{below}/"):
        return other
    return found or here[0]


def _captions_beside(folder: Path, names: list[str]) -> dict[str, _Said]:
    """Captions from files beside photos, one a line; none through a link that leads out of the folder."""
    found: dict[str, _Said] = {}
    root = folder.resolve()
    for name in names:
        for file in texts_beside(folder / name):
            if file.resolve().is_relative_to(root):
                texts = texts_of(lines_of(read_text(file, CaptionsError)))
                found.setdefault(name, _Said()).captions.extend(texts)
    return found


def texts_beside(photo: Path) -> list[Path]:
    """The caption files of one photo: NAME.txt, NAME.caption, NAME.text or NAME.jpg.txt beside NAME.jpg."""
    endings = (*BESIDE, *(f"{photo.suffix}{ending}" for ending in BESIDE))
    return [file for ending in endings if (file := photo.with_suffix(ending)).is_file()]


def _splits_of(
    folder: Path,
    options: CaptionOptions,
    files: Sequence[Path],
    rows: list[str],
    said: dict[str, _Said],
    counts: LeftOut,
) -> dict[str, str]:
    """The split of each photo that has one: of lists, of a column, of the caption files' names, of the folder it
    lies in (train/, test/), in this order."""
    if options.splits.strip().lower() == "none":
        return {}
    lists = parse_splits(options.splits) or find_split_lists(files)
    if lists:
        return read_split_lists(folder, lists, rows, counts)
    named = {name: one.facts.get("split") or one.named_split for name, one in said.items()}
    of_folders = splits_of_paths([name for name in rows if name in said and said[name].captions])
    return of_folders | {name: split for name, split in named.items() if split}
