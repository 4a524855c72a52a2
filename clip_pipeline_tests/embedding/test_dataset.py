from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from clip_pipeline.embedding.dataset import embed_dataset_images, embed_dataset_texts
from clip_pipeline.embedding.store import read_embeddings
from clip_pipeline.embedding.texts import prompt_table
from clip_pipeline.errors import ModelError, PhotosError
from clip_pipeline.settings import ComputeSettings, EmbeddingSettings
from clip_pipeline_tests.made.tiny_model import build_tiny_model, jpeg

CPU = ComputeSettings(device="cpu")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build_tiny_model(tmp_path_factory.mktemp("model"))


def test_photos_become_files_and_broken_ones_a_table(model, tmp_path):
    images = [("a", jpeg((255, 0, 0))), ("b", b"nothing"), ("c", jpeg((0, 0, 255)))]
    facts = embed_dataset_images(model, images, 3, tmp_path, EmbeddingSettings(), CPU)
    keys, matrix = read_embeddings(tmp_path, "images")
    assert keys["id"].to_pylist() == ["a", "c"]
    assert matrix.shape == (2, 32)
    assert pq.read_table(tmp_path / "images_failures.parquet")["id"].to_pylist() == ["b"]
    assert (facts["photos"], facts["failed"], facts["dimensions"]) == (2, 1, 32)


def test_another_batch_size_gives_the_same_bytes(model, tmp_path):
    images = [(f"{i}", jpeg((i, 2 * i, 255 - i))) for i in range(100)]
    for size in (7, 256):
        embed_dataset_images(model, images, 100, tmp_path / str(size), EmbeddingSettings(batch_size=size), CPU)
    for name in ("images.npy", "images.parquet", "images_failures.parquet"):
        assert (tmp_path / "7" / name).read_bytes() == (tmp_path / "256" / name).read_bytes()


def test_texts_keep_their_columns(model, tmp_path):
    facts = embed_dataset_texts(model, prompt_table(["red cup", "ball"], ["a {c}"]), tmp_path, EmbeddingSettings(), CPU)
    keys, matrix = read_embeddings(tmp_path, "texts")
    assert keys["class_name"].to_pylist() == ["red cup", "ball"]
    assert (facts["texts"], len(matrix)) == (2, 2)


def test_no_photo_at_all_is_told(model, tmp_path):
    with pytest.raises(
        PhotosError, match="None of 1 photos could be embedded. The first failed with: a: its bytes are no image"
    ):
        embed_dataset_images(model, [("a", b"x")], 1, tmp_path, EmbeddingSettings(), CPU)


def test_a_folder_without_a_model_is_told(tmp_path):
    with pytest.raises(ModelError, match=r"holds no open_clip_config.json"):
        embed_dataset_images(tmp_path, [], 0, tmp_path / "out", EmbeddingSettings(), CPU)
