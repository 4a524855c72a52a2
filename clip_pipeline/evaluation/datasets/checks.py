"""Is what lies on the disk the dataset that it is called?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets.dataset import Dataset
from clip_pipeline.evaluation.datasets.entry import Entry

NAMED = 5
"""Classes or photos that a sentence names."""


def check_dataset(entry: Entry, dataset: Dataset, path: Path | str) -> str:
    """Checks splits, classes and the number of photos of each; returns "" for the whole set, else what part of it this is.

    A part is a set with equally many photos of every class, which somebody made on purpose, or with captions one that lacks
    photos to train on. Anything else that differs raises DatasetError: found, expected, what to do.
    """
    place = f"{path} is no whole {entry.title}"
    advice = f"Get it again ({_how(entry)}), or give {path} without a name to read it unchecked."
    known = [split for split in entry.photos if split in dataset.splits]
    if "test" in entry.photos and "test" not in known:
        raise DatasetError(
            f"{place}: it has the splits {', '.join(sorted(set(dataset.splits)))}, and no test split. {advice}"
        )
    if dataset.labels is None:
        return _check_captions(entry, dataset, place, advice)
    if len(dataset.class_names) != entry.classes:
        raise DatasetError(f"{place}: it has {len(dataset.class_names)} classes, expected {entry.classes}. {advice}")
    parts = []
    for split in known:
        counts = Counter(label for label, one in zip(dataset.labels, dataset.splits, strict=True) if one == split)
        found = {name: counts.get(row, 0) for row, name in enumerate(dataset.class_names)}
        parts.append(_check_split(entry, split, found, place, advice))
    return "; ".join(filter(None, parts))


def _check_split(entry: Entry, split: str, found: Mapping[str, int], place: str, advice: str) -> str:
    missing = [name for name, count in found.items() if not count]
    if missing:
        raise DatasetError(
            f"{place}: {len(missing)} of its {len(found)} classes have no photo in the {split} split ({_some(missing)}). {advice}"
        )
    total, least = sum(found.values()), min(found.values())
    if total == entry.photos[split] and split not in entry.per_class:
        return ""
    even = least == max(found.values())
    if even and total <= entry.photos[split]:
        whole = entry.per_class.get(split)
        if least == whole:
            return ""
        of_all = f"of {whole:,} photos a class" if whole else f"photos a class, {total:,} of {entry.photos[split]:,},"
        return f"{least:,} {of_all} in {split}"
    if split in entry.per_class:
        wrong = {name: count for name, count in found.items() if count != entry.per_class[split]}
        name, count = next(iter(wrong.items()))
        raise DatasetError(
            f"{place}: {split} has {count:,} photos of {name}, expected {entry.per_class[split]:,} of every class "
            f"({len(wrong)} of {len(found)} classes differ). {advice}"
        )
    raise DatasetError(f"{place}: {split} has {total:,} photos, expected {entry.photos[split]:,}. {advice}")


def _check_captions(entry: Entry, dataset: Dataset, place: str, advice: str) -> str:
    few = [one for one, texts in zip(dataset.ids, dataset.captions or [], strict=True) if len(texts) < entry.captions]
    if few:
        raise DatasetError(
            f"{place}: {len(few):,} photos have fewer than {entry.captions} captions ({_some(few)}). {advice}"
        )
    parts = []
    counts = Counter(dataset.splits)
    for split, whole in entry.photos.items():
        if counts[split] > whole or (split == "test" and counts[split] != whole):
            raise DatasetError(f"{place}: {split} has {counts[split]:,} photos, expected {whole:,}. {advice}")
        if 0 < counts[split] < whole:
            parts.append(f"{counts[split]:,} of {whole:,} photos in {split}")
    return "; ".join(parts)


def _how(entry: Entry) -> str:
    return f"clip-pipeline datasets download {entry.name} FOLDER" if entry.downloads else entry.home


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
