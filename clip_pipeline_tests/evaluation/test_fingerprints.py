from __future__ import annotations

import dataclasses

import pytest

from clip_pipeline.errors import DatasetError
from clip_pipeline.evaluation.datasets import Dataset
from clip_pipeline.evaluation.fingerprints import dataset_fingerprint

PHOTOS = {"a": b"one", "b": b"two", "c": b"three"}


def labelled(ids="abc", labels=(0, 1, 0), splits=("test",) * 3, names=("cat", "dog"), photos=PHOTOS):
    return Dataset("pets", list(ids), list(splits), lambda row: photos[ids[row]], list(labels), names)


def test_the_order_of_the_photos_the_name_and_the_prompts_do_not_matter():
    turned = dataclasses.replace(labelled("cab", (0, 0, 1)), name="others", templates=("x {c}",))
    assert dataset_fingerprint(labelled()) == dataset_fingerprint(turned)


@pytest.mark.parametrize(
    "other",
    [
        labelled(labels=(0, 1, 1)),
        labelled(splits=("test", "test", "train")),
        labelled(names=("cat", "wolf")),
        labelled("abd", photos={**PHOTOS, "d": b"three"}),
        labelled(photos={**PHOTOS, "b": b"twO"}),
        Dataset("pets", list("abc"), ["test"] * 3, lambda row: PHOTOS["abc"[row]], captions=[["x"], ["y"], ["z"]]),
    ],
    ids=["label", "split", "class name", "id", "pixels", "captions"],
)
def test_whatever_could_change_a_score_changes_the_fingerprint(other):
    assert dataset_fingerprint(labelled()) != dataset_fingerprint(other)


def test_a_photo_that_has_gone_is_told():
    def read(row):
        raise FileNotFoundError(2, "No such file or directory")

    with pytest.raises(DatasetError, match="pets: the photo a cannot be read: No such file or directory"):
        dataset_fingerprint(dataclasses.replace(labelled(), read=read))
