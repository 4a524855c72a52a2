"""Class names that a caption could hold, and the folder or label that each class goes by on the disk.

names/*.json: {folder: name}, in the order of the labels. They are those of CLIP (Radford et al. 2021, data/prompts.md) where it
has any. ImageNet's 1,000 are open_clip's, and the order of its folders is timm's.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path

from clip_pipeline.evaluation.datasets.entry import Entry
from clip_pipeline.evaluation.open_clip_prompts import open_clip_prompts, package_file

NAMES = Path(__file__).parent / "names"


def class_names(entry: Entry) -> dict[str, str]:
    """{folder: name} of an entry's classes in the order of their labels; empty where the files themselves name them."""
    if entry.reader == "imagenet":
        return imagenet_names()
    if not entry.names:
        return {}
    names = json.loads((NAMES / f"{entry.names}.json").read_text("utf-8"))
    return {folder: name for folder, name in names.items() if folder not in entry.left_out}


@functools.cache
def imagenet_names() -> dict[str, str]:
    """{WordNet id: name} of ImageNet's 1,000 classes: open_clip's names in the order of the sorted ids."""
    synsets = package_file("timm", "data/_info/imagenet_synsets.txt").read_text("ascii").split()
    return dict(zip(synsets, open_clip_prompts().IMAGENET_CLASSNAMES, strict=True))


def matching_folder(folder: str, names: Mapping[str, str]) -> str | None:
    """The folder of `names` that is meant: the same, or the same but for case, blanks and signs, or a class's name."""
    if folder in names:
        return folder
    wanted = _letters(folder)
    return next((key for key, name in names.items() if wanted in (_letters(key), _letters(name))), None)


def _letters(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())
