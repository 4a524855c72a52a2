"""Datasets that a model is scored on: labelled photos for zero-shot, photos with captions for retrieval.

CLIP_benchmark's layout is one of those that are read:

    classnames.txt                            one name a line; a label is an index into it
    zeroshot_classification_templates.txt     one prompt a line, `{c}` where the name goes
    SPLIT/0.tar, SPLIT/1.tar, ...             webdataset: KEY.jpg and KEY.cls, the label in decimal
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from clip_pipeline.embedding.texts import caption_table, prompt_table
from clip_pipeline.errors import DatasetError, PhotosError, nearest_name
from clip_pipeline.evaluation.zero_shot import LabelTruth

if TYPE_CHECKING:
    from clip_pipeline.sources.image_set import ImageSet

NAMES_FILE, TEMPLATES_FILE = "classnames.txt", "zeroshot_classification_templates.txt"

TEMPLATES = ("{c}", "a {c}", "a photo of a {c}", "a picture of a {c}")
"""Prompts for a labelled dataset that brings none of its own."""

GENERATED = ("sandbox", "held_out")
"""Datasets that the pipeline makes: they exist as artifacts, not as files of the user's own."""


@dataclass(frozen=True)
class Dataset:
    """Photos and what is known of them.

    ids, splits: one a photo; ids are unique. read(row): the photo's file bytes. Labelled photos have `labels` (indices
    into class_names), class_names and templates; the others have `captions`, a list of texts a photo.
    """

    name: str
    ids: list[str]
    splits: list[str]
    read: Callable[[int], bytes]
    labels: list[int] | None = None
    class_names: tuple[str, ...] = ()
    templates: tuple[str, ...] = TEMPLATES
    captions: list[list[str]] | None = None

    @property
    def task(self) -> str:
        """`zero_shot` or `retrieval`."""
        return "retrieval" if self.labels is None else "zero_shot"

    def images(self) -> Iterator[tuple[str, bytes]]:
        """(id, file bytes) of every photo, in order."""
        for row, photo_id in enumerate(self.ids):
            yield photo_id, self.read(row)

    def read_photos(self, ids: Collection[str]) -> dict[str, bytes]:
        """File bytes of the named photos; a name that is not there is left out."""
        return {photo_id: self.read(row) for row, photo_id in enumerate(self.ids) if photo_id in ids}

    def texts(self) -> pa.Table:
        """What the text tower must embed: prompts of the classes, or the captions."""
        return texts_of(self)

    def truth(self) -> LabelTruth:
        """The labels, for `zero_shot_scores`. Raises DatasetError for a dataset without labels."""
        if self.labels is None:
            raise DatasetError(f"{self.name} has captions and no labels, so it serves retrieval, not zero-shot.")
        return LabelTruth(self.name, self.ids, self.labels, self.splits, self.class_names)


def texts_of(photos: Dataset | ImageSet) -> pa.Table:
    """Prompts of the classes where the photos have labels, else their captions; what `embed_dataset_texts` takes.

    Raises DatasetError for photos with neither.
    """
    if photos.labels is not None and photos.class_names:
        return prompt_table(photos.class_names, getattr(photos, "templates", None) or TEMPLATES)
    if photos.captions is None or not any(photos.captions):
        raise DatasetError("These photos have neither labels nor captions, so there is no text to compare them with.")
    return caption_table(zip(photos.ids, photos.captions, strict=True))


def open_dataset(path: Path | str, name: str = "") -> Dataset:
    """A dataset of files: CLIP_benchmark's layout, a folder of class folders, or photos (or tars) with captions.

    name: what the scores call it, the folder's name if empty. Raises DatasetError when there is nothing at the path, no
    photo, neither labels nor captions, or a single class.
    """
    folder = Path(path).expanduser()
    name = name or folder.absolute().name.removesuffix(".tar")
    if not folder.exists():
        raise DatasetError(
            f'There is no dataset "{path}": no folder of that name, and no dataset that comes with the program. '
            f"{nearest_name(folder.name, _neighbours(folder))} Give a folder of class folders, or of photos with captions."
        )
    dataset = _open_files(folder, name)
    if dataset.labels is not None and len(set(dataset.labels)) < 2:
        only = dataset.class_names[dataset.labels[0]]
        raise DatasetError(
            f'{folder} has photos of one class only ("{only}"). Zero-shot needs at least two class folders to choose between.'
        )
    return dataset


def _neighbours(missing: Path) -> list[str]:
    """Names that may have been meant: what the program makes, and the folders beside the missing one."""
    beside = missing.parent
    folders = [entry.name for entry in beside.iterdir() if entry.is_dir()] if beside.is_dir() else []
    return [*GENERATED, *(name for name in folders if not name.startswith("."))]


def _open_files(folder: Path, name: str) -> Dataset:
    from clip_pipeline.sources.image_set import open_image_set

    try:
        photos = open_image_set(folder)
    except PhotosError as error:
        raise DatasetError(str(error)) from error
    splits = [split or "test" for split in photos.splits] if photos.splits else ["test"] * len(photos.ids)
    if photos.labels is not None and photos.class_names:
        names = photos.class_names
        if not (folder / NAMES_FILE).is_file():  # then they are names of folders
            names = [readable_class_name(one) for one in names]
        templates = _lines(folder / TEMPLATES_FILE) or TEMPLATES
        return Dataset(name, photos.ids, splits, photos.read, photos.labels, tuple(names), tuple(templates))
    if photos.labels is not None:
        raise DatasetError(
            f"{folder} holds tars with labels and no {NAMES_FILE}. Put the class names there, one a line in the order of the labels."
        )
    if photos.captions is not None and any(photos.captions):
        return Dataset(name, photos.ids, splits, photos.read, captions=photos.captions)
    raise DatasetError(
        f"{folder} holds {len(photos.ids):,} photos without labels and without captions. To score a model, put them into "
        "one folder a class, or lay a caption file beside them (captions.csv with the columns file and caption)."
    )


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def readable_class_name(folder_name: str) -> str:
    """`001.Black_footed_Albatross` → `Black footed Albatross`: a folder's name as words that a caption could hold."""
    name = re.sub(r"^\d+[._\- ]+(?=\D)", "", folder_name)
    return re.sub(r"[_\s]+", " ", name).strip() or folder_name


def held_out_captions(pairs: pa.Table, split: str = "test") -> list[tuple[str, list[str]]]:
    """(photo id, captions) of one split of the pairs, in the order of the table; captions in their own order."""
    chosen = pairs.filter(pc.equal(pairs["split"], split)).sort_by(
        [("photo_id", "ascending"), ("caption_index", "ascending")]
    )
    captions: dict[str, list[str]] = {}
    for photo_id, caption in zip(chosen["photo_id"].to_pylist(), chosen["caption"].to_pylist(), strict=True):
        captions.setdefault(photo_id, []).append(caption)
    return sorted(captions.items())


def only_split(dataset: Dataset, split: str) -> Dataset:
    """The photos of one split. Raises DatasetError with the splits that there are."""
    rows = [row for row, one in enumerate(dataset.splits) if one == split]
    if not rows:
        raise DatasetError(f'{dataset.name} has no split "{split}". {nearest_name(split, set(dataset.splits))}')
    return Dataset(
        dataset.name,
        [dataset.ids[row] for row in rows],
        [split] * len(rows),
        lambda row: dataset.read(rows[row]),
        labels=None if dataset.labels is None else [dataset.labels[row] for row in rows],
        class_names=dataset.class_names,
        templates=dataset.templates,
        captions=None if dataset.captions is None else [dataset.captions[row] for row in rows],
    )


def splits_of(dataset: Dataset) -> Sequence[str]:
    """The splits there are, sorted."""
    return sorted(set(dataset.splits))
