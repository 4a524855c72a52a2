"""Reads a labelled dataset in CLIP_benchmark's layout.

classnames.txt                            one name a line; a label is an index into it
zeroshot_classification_templates.txt     one prompt a line, `{c}` where the name goes
SPLIT/0.tar, SPLIT/1.tar, ...             webdataset: KEY.jpg (or .png, .webp) and KEY.cls, the label in decimal
"""

from __future__ import annotations

import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

from clip_pipeline.errors import DatasetError

NAMES_FILE, TEMPLATES_FILE = "classnames.txt", "zeroshot_classification_templates.txt"
MEMBERS_LOOKED_AT = 10
PICTURE_ENDINGS = ("jpg", "jpeg", "png", "webp")


@dataclass(frozen=True)
class TarMember:
    """Where the bytes of one photo lie: a tar, the offset in bytes, the size in bytes."""

    tar: Path
    offset: int
    size: int

    def read(self) -> bytes:
        with self.tar.open("rb") as stream:
            stream.seek(self.offset)
            return stream.read(self.size)


@dataclass(frozen=True)
class LabelledTars:
    """One entry a photo in ids (`split/key`), labels, splits and members."""

    ids: list[str]
    labels: list[int]
    splits: list[str]
    members: list[TarMember]
    class_names: list[str]
    templates: list[str]


def is_benchmark_folder(folder: Path) -> bool:
    """Whether there are class names, and a folder with a numbered tar."""
    return (folder / NAMES_FILE).is_file() and any(folder.glob("*/[0-9]*.tar"))


def holds_labels_without_names(folder: Path) -> bool:
    """Whether the first tar one level down has labels, though there are no class names."""
    first = next(iter(sorted(folder.glob("*/[0-9]*.tar"))), None)
    if first is None or (folder / NAMES_FILE).is_file():
        return False
    with tarfile.open(first, "r:") as tar:
        return any(member.name.endswith(".cls") for member, _ in zip(tar, range(MEMBERS_LOOKED_AT), strict=False))


def read_benchmark_folder(folder: Path) -> LabelledTars:
    """Reads labels and places of the photos, not the photos. Raises DatasetError for what is cut, unlabelled or empty."""
    found = LabelledTars([], [], [], [], _lines(folder / NAMES_FILE), _lines(folder / TEMPLATES_FILE))
    for tar in sorted(folder.glob("*/[0-9]*.tar"), key=lambda path: (path.parent.name, _number(path))):
        try:
            _add_tar(tar, found)
        except tarfile.TarError as error:
            raise DatasetError(f"{tar} cannot be read as a tar: {error}. Download the dataset again.") from error
    if not found.ids:
        raise DatasetError(f"The tars in {folder} hold no photos with a .cls label beside them.")
    if max(found.labels) >= len(found.class_names) or min(found.labels) < 0:
        raise DatasetError(
            f"{folder} has labels up to {max(found.labels)} and {len(found.class_names)} names in {NAMES_FILE}. "
            "A label is the index of its name, from 0."
        )
    return found


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _number(path: Path) -> int:
    return int(re.match(r"\d+", path.stem)[0])  # type: ignore[index]  # the glob asked for a digit


def _add_tar(path: Path, found: LabelledTars) -> None:
    split = path.parent.name
    photos: dict[str, TarMember] = {}
    labels: dict[str, int] = {}
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            key, _, ending = member.name.removeprefix("./").partition(".")
            if ending.lower() in PICTURE_ENDINGS:
                photos[key] = TarMember(path, member.offset_data, member.size)
            elif ending.lower() == "cls":
                labels[key] = _label(path, member.name, tar.extractfile(member).read())  # type: ignore[union-attr]
    unlabelled = sorted(photos.keys() - labels.keys())
    if unlabelled:
        raise DatasetError(f"{path}: {len(unlabelled)} photos have no .cls label, the first is {unlabelled[0]}.")
    for key in sorted(photos):
        found.ids.append(f"{split}/{key}")
        found.labels.append(labels[key])
        found.splits.append(split)
        found.members.append(photos[key])


def _label(path: Path, name: str, content: bytes) -> int:
    try:
        return int(content)
    except ValueError:
        raise DatasetError(f"{path}: {name} holds {content[:20]!r}, a label in decimal was expected.") from None
