"""Labels, captions and splits of tables with photos, in the form that Hugging Face's datasets are published in."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.errors import PhotosError
from clip_pipeline.evaluation.datasets import open_dataset
from clip_pipeline.sources.photos.open import open_photos
from clip_pipeline_tests.made.tiny_model import jpeg

RED, BLUE = jpeg((220, 20, 20)), jpeg((20, 20, 220))


def write(path, images, names=None, **columns):
    """A table with photos, as `datasets` writes it: names are those of its ClassLabel."""
    table = pa.table({"image": pa.array([{"bytes": one, "path": None} for one in images]), **columns})
    if names is not None:
        features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def test_a_labelled_dataset_of_hugging_face_is_scored_as_class_folders_are(tmp_path):
    names = ["red_cup", "blue_cup"]
    write(tmp_path / "pets/data/train-00000-of-00001.parquet", [RED, BLUE, RED], names, label=[0, 1, 0])
    write(tmp_path / "pets/data/test-00000-of-00001.parquet", [BLUE, RED], names, label=[1, 0])
    dataset = open_dataset(tmp_path / "pets")
    assert (dataset.name, dataset.task, dataset.class_names) == ("pets", "zero_shot", ("red cup", "blue cup"))
    assert dataset.splits == ["test"] * 2 + ["train"] * 3
    assert dataset.labels == [1, 0, 0, 1, 0]
    assert [content for _, content in dataset.images()] == [BLUE, RED, RED, BLUE, RED]
    assert dataset.ids[:2] == ["data/test-00000-of-00001/0", "data/test-00000-of-00001/1"]


def test_labels_that_are_texts_are_the_names(tmp_path):
    write(tmp_path / "x.parquet", [RED, BLUE, RED], label=["cup", "ball", "cup"])
    known = open_photos(tmp_path / "x.parquet").metadata
    assert (known.labels, known.class_names, known.splits) == ([1, 0, 1], ["ball", "cup"], None)


def test_names_of_numbers_may_lie_in_a_file_beside_them(tmp_path):
    write(tmp_path / "x.parquet", [RED, BLUE], label=[1, 0])
    assert open_photos(tmp_path / "x.parquet").metadata.class_names is None
    (tmp_path / "classnames.txt").write_text("ball\ncup\n")
    assert open_photos(tmp_path / "x.parquet").metadata.class_names == ["ball", "cup"]


@pytest.mark.parametrize("captions", [["a cup", "a ball"], [["a cup"], ["a ball"]]])
def test_captions_serve_retrieval(tmp_path, captions):
    write(tmp_path / "x.parquet", [RED, BLUE], caption=captions)
    dataset = open_dataset(tmp_path / "x.parquet")
    assert (dataset.task, dataset.captions) == ("retrieval", [["a cup"], ["a ball"]])


def test_tables_that_do_not_agree_or_lack_a_label_are_told(tmp_path):
    write(tmp_path / "a/0.parquet", [RED], ["cup", "ball"], label=[0])
    write(tmp_path / "a/1.parquet", [RED], ["ball", "cup"], label=[0])
    with pytest.raises(PhotosError, match="name their classes differently"):
        open_photos(tmp_path / "a").metadata  # noqa: B018
    write(tmp_path / "b/0.parquet", [RED, BLUE], ["cup", "ball"], label=[0, None])
    with pytest.raises(PhotosError, match="row 1 has no label, and others have"):
        open_photos(tmp_path / "b").metadata  # noqa: B018
    write(tmp_path / "c/0.parquet", [RED, BLUE], ["cup", "ball"], label=[0, -1])
    with pytest.raises(PhotosError, match="names 2 classes and the labels run from -1 to 0"):
        open_photos(tmp_path / "c").metadata  # noqa: B018


def test_a_table_that_says_nothing_more_has_no_metadata(tmp_path):
    write(tmp_path / "x.parquet", [RED], width=[3], size=[1.5])
    known = open_photos(tmp_path / "x.parquet").metadata
    assert (known.labels, known.class_names, known.captions, known.splits) == (None, None, None, None)
