"""The vectors of the photos that the shards hold: one a photo, by its id, those of the model that the key names."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from clip_pipeline.embedding.encode import embed_images
from clip_pipeline.embedding.store import read_embeddings
from clip_pipeline.errors import PhotosError
from clip_pipeline.models.folder import open_model
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.steps.shard_embeddings import _read_key
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline.sources.photos.formats.tar_index import read_photos

STEP = STEPS["shard_embeddings"]


@pytest.fixture
def data(tiny_data, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_data, tmp_path / "data", copy_function=shutil.copy2))


def test_every_stored_photo_has_the_vector_that_the_model_gives_it(tiny_data):
    with Workspace(tiny_data, find_recipe("tiny")) as workspace:
        partitions = STEP.partitions(workspace)
        shards = workspace.store.partitions("images", "image_shards")
        assert partitions == [f"{shard}|tiny_test" for shard in shards] and len(shards) > 1
        for shard in shards:
            folder = workspace.get("shard_embeddings", f"{shard}|tiny_test").folder
            keys, matrix_ND = read_embeddings(folder, "images")
            table = pq.read_table(workspace.get("image_shards", shard).file(f"{shard}.parquet")).to_pylist()
            stored = {row["key"]: row["id"] for row in table if row["status"] == "success"}
            assert keys["id"].to_pylist() == list(stored.values()) and stored
            model, preprocess, _ = open_model(workspace.get("clip_checkpoint", "tiny_test").folder)
            tar = workspace.get("image_shards", shard).file(f"{shard}.tar")
            own = embed_images(model, preprocess, read_photos([tar], stored))
            assert own.ids == keys["id"].to_pylist()
            assert (own.matrix_ND * np.asarray(matrix_ND, np.float32)).sum(1).min() > 0.999


def test_a_shard_without_a_photo_has_no_vectors_and_a_second_run_is_a_hit(data):
    with Workspace(data, find_recipe("tiny")) as workspace:
        attempts = workspace.get("image_shards", "00000").file("00000.parquet")
        table = pq.read_table(attempts)
        failed = table.set_column(
            table.schema.get_field_index("status"), table.schema.field("status"), [["not_found"] * len(table)]
        )
        pq.write_table(failed, attempts)
        built = STEP.materialise(workspace, "00000|tiny_test", force=True)
        assert built.artifact.rows == {"photos": 0} and not built.hit
        keys, matrix_ND = read_embeddings(built.artifact.folder, "images")
        assert len(keys) == 0 and matrix_ND.shape == (0, 0)
        assert STEP.materialise(workspace, "00000|tiny_test").hit


def test_a_photo_that_the_table_names_and_the_tar_lacks_is_a_sentence(tiny_data):
    tar = next((tiny_data / "images/image_shards").glob("*/*.tar"))
    with pytest.raises(PhotosError, match=r"has no photo 999999999, which its table names\. Materialise image_shards"):
        _read_key(tar, "999999999")
