"""Several labels in one cell are refused, or said where they may be names."""

from __future__ import annotations

from pathlib import Path

import pytest

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.open import open_photos
from clip_pipeline.sources.photos.several_labels import check_one_label_each
from clip_pipeline_tests.sources.photos.test_classes import make


@pytest.mark.parametrize(
    "labels",
    [
        ["cat", "dog", "cat,dog"],
        ["cat", "dog", "cat, dog"],
        ["3", "5", "3|5"],
        ["3", "5", "3 5"],
        ["a", "b", "c", "a;b;c"],
        ["['cat', 'dog']", "['cat']"],
        ['["cat"]', "dog"],
        ["{'cat'}", "dog"],
    ],
)
def test_labels_that_are_several_are_refused_with_the_photo(labels):
    with pytest.raises(
        PhotosError, match=r"labels.csv: the label of \d.jpg is .* which is several or a list.*Keep one of them"
    ):
        check_one_label_each(((f"{n}.jpg", label) for n, label in enumerate(labels)), Path("labels.csv"))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["tench, Tinca tinca", "goldfish, Carassius auratus"], ""),
        (["hot dog", "dog", "1.5", "2.5", "rock & roll", "(unknown)", "[other]"], ""),
        (["3 years", "3"], ""),
        (["cup, red", "cup, blue", "mug"], ""),
        (
            ["cup, red", "cup, blue", "mug, red", "mug, blue"],
            '4 labels look like several in one, such as "cup, red" of 0.jpg',
        ),
        (["Action|Drama", "Horror"], '1 labels look like several in one, such as "Action|Drama"'),
    ],
)
def test_what_may_be_a_name_is_one_class_and_said_where_its_parts_come_again(labels, said, caplog):
    check_one_label_each(((f"{n}.jpg", label) for n, label in enumerate(labels)), Path("labels.csv"))
    assert said in caplog.text and bool(said) == bool(caplog.text)


def test_a_table_beside_the_photos_is_looked_at(tmp_path):
    make(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    (tmp_path / "labels.csv").write_text('file,label\na.jpg,cat\nb.jpg,dog\nc.jpg,"cat,dog"\n')
    with pytest.raises(PhotosError, match='the label of c.jpg is "cat,dog"'):
        open_photos(tmp_path).metadata  # noqa: B018
