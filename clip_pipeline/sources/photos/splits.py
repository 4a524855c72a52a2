"""The split of a photo: what people call the splits, the folders and files that are named so, and lists of each split's photos."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import CaptionsError, SettingsError
from clip_pipeline.records import SPLITS
from clip_pipeline.sources.photos.names import PhotoFinder, path_inside
from clip_pipeline.sources.tables.text_files import read_text

logger = logging.getLogger(__name__)

SPLIT_NAMES = (
    {name: name for name in SPLITS}
    | {name: "validation" for name in ("val", "valid", "dev", "development")}
    | {"training": "train", "restval": "train", "testing": "test"}
)
"""What people call the splits, and what this program calls them. COCO's restval is what Karpathy trains on besides train."""

SPLIT_FOLDER = re.compile(rf"(?P<split>{'|'.join(SPLIT_NAMES)})[ _\-]?(set|split|images|imgs|photos|data|\d{{4}})?")
SPLIT_LIST = re.compile(r"flickr_?(8|30)k[._](?P<split>train|dev|val|test)images\.txt")


def split_in(name: str) -> str | None:
    """The split that a file's name says (captions_train2014.json, val.csv); None where it says none, or two."""
    found = {SPLIT_NAMES[word] for word in re.findall("[a-z]+", name.lower()) if word in SPLIT_NAMES}
    return found.pop() if len(found) == 1 else None


def splits_of_files(files: Sequence[Path]) -> dict[Path, str]:
    """The split that each file's name says, where they say two different ones."""
    said = {file: split for file in files if (split := split_in(file.name)) is not None}
    return said if len(set(said.values())) > 1 else {}


def splits_of_folders(names: Sequence[str]) -> list[str] | None:
    """The first folder of each photo, as it is called, where all of them are called as splits are; else None."""
    tops = [name.partition("/")[0] if "/" in name else "" for name in names]
    return tops if all(top.lower() in SPLIT_NAMES for top in tops) else None


def split_of_folder(name: str) -> str | None:
    """The split that a folder is called after: train, test_set, val2014; None for any other name."""
    found = SPLIT_FOLDER.fullmatch(name.lower())
    return SPLIT_NAMES[found["split"]] if found else None


def splits_of_paths(names: Sequence[str]) -> dict[str, str]:
    """The split of each photo by the first folder of its path that is called after one. Empty where this tells no photos apart:
    where all lie in one split, or in train/ and elsewhere, as a class of vehicles may be."""
    found = {name: next(filter(None, map(split_of_folder, name.split("/")[:-1])), None) for name in names}
    splits = set(found.values())
    if len(splits) < 2 or splits == {None, "train"}:
        return {}
    return {name: split for name, split in found.items() if split}


def find_split_lists(files: Sequence[Path]) -> dict[str, Path]:
    """Flickr8k's official lists, Flickr_8k.trainImages.txt and the like, beside its tokens; empty unless there are all."""
    lists = {}
    for place in {file.parent for file in files if ".token" in file.name.lower()}:
        for path in sorted(place.iterdir()):
            if found := SPLIT_LIST.fullmatch(path.name.lower()):
                lists[SPLIT_NAMES[found["split"]]] = path
    return lists if len(lists) == len(SPLITS) else {}


def parse_splits(splits: str) -> dict[str, Path]:
    """`train=FILE,validation=FILE,test=FILE` by split; none of "" and "none". Raises SettingsError for another split or form."""
    files: dict[str, Path] = {}
    if splits.strip().lower() == "none":
        return files
    for pair in filter(None, (one.strip() for one in splits.split(","))):
        name, equals, file = pair.partition("=")
        split = SPLIT_NAMES.get(name.strip().lower())
        if not equals or not file.strip() or split is None:
            raise SettingsError(
                f'links.splits has "{pair}", expected train=FILE, validation=FILE and test=FILE with commas between.'
            )
        if split in files:
            raise SettingsError(
                f'links.splits has two lists of the {split} photos, expected one. Join "{pair}" to the other.'
            )
        files[split] = Path(file.strip()).expanduser()
    return files


def read_split_lists(folder: Path, lists: dict[str, Path], names: Sequence[str], counts: LeftOut) -> dict[str, str]:
    """Split by photo. names: paths of the photos inside the folder; listed photos that are not among them are counted.
    Raises CaptionsError for a list that is missing or names none of them, and for a photo in two lists."""
    finder = PhotoFinder(names)
    split_of: dict[str, str] = {}
    for split, given in lists.items():
        file = given if given.exists() else folder / given
        if not file.is_file():
            raise CaptionsError(f"There is no list {given} of the {split} photos. Check links.splits.")
        lines = [line.strip() for line in read_text(file, CaptionsError).split("\n") if line.strip()]
        places = [finder.find(path_inside(folder, line), line) for line in lines]
        found = {name for name in places if name}
        if not found:
            raise CaptionsError(f"{file} names no photo of {folder}. Write one file name a line, such as 1000.jpg.")
        if len(found) < len(lines):
            absent = [line for line, name in zip(lines, places, strict=True) if not name]
            counts.add(f"photo of the {split} list that is not there", len(absent), next(iter(absent), ""))
        twice = sorted(found & split_of.keys())
        if twice:
            raise CaptionsError(
                f"{twice[0]} is listed for {split_of[twice[0]]} and for {split} ({len(twice):,} photos are listed "
                "twice). A photo belongs to one split: take it out of the other list."
            )
        split_of.update(dict.fromkeys(found, split))
        logger.info("%s: %d of %d listed photos are there", split, len(found), len(lines))
    return split_of
