from __future__ import annotations

import pytest

from clip_pipeline.embedding.command import embed_folder
from clip_pipeline.embedding.files import read_embeddings
from clip_pipeline.errors import PhotosError
from clip_pipeline.settings import ComputeSettings, EmbeddingSettings
from clip_pipeline_tests.tiny_model import build_tiny_model, jpeg


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build_tiny_model(tmp_path_factory.mktemp("model"))


def test_a_folder_of_photos_becomes_vectors_with_their_ids(model, tmp_path):
    (tmp_path / "photos" / "trip").mkdir(parents=True)
    (tmp_path / "photos" / "trip" / "a.jpg").write_bytes(jpeg((200, 0, 0)))
    (tmp_path / "photos" / "trip" / "b.jpg").write_bytes(jpeg((0, 0, 200)))
    (tmp_path / "photos" / "trip" / "broken.jpg").write_bytes(b"no photo")
    facts = embed_folder(
        model, tmp_path / "photos", tmp_path / "out", EmbeddingSettings(), ComputeSettings(device="cpu")
    )
    keys, matrix = read_embeddings(tmp_path / "out", "images")
    assert (facts["photos"], facts["failed"], len(keys), matrix.shape) == (2, 1, 2, (2, 32))
    assert ["a" in keys["id"][0].as_py(), "b" in keys["id"][1].as_py()] == [True, True]


def test_a_folder_that_is_not_there_is_told(model, tmp_path):
    with pytest.raises(PhotosError, match="There is no .*nowhere"):
        embed_folder(model, tmp_path / "nowhere", tmp_path / "out", EmbeddingSettings(), ComputeSettings(device="cpu"))
