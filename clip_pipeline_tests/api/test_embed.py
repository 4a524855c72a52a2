from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from clip_pipeline.api.embed import embed
from clip_pipeline.embedding.store import about_embeddings, check_comparable, read_embeddings, write_embeddings
from clip_pipeline.errors import CaptionsError, PhotosError, SettingsError, ShapeError
from clip_pipeline.models.folder import load_model_folder
from clip_pipeline.models.identity import hash_weights
from clip_pipeline_tests.made.tiny_model import build_tiny_model, jpeg


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos" / "trip").mkdir(parents=True)
    (tmp_path / "photos" / "trip" / "a.jpg").write_bytes(jpeg((200, 0, 0)))
    (tmp_path / "photos" / "trip" / "broken.jpg").write_bytes(b"no photo")
    (tmp_path / "photos" / "trip" / "c.jpg").write_bytes(jpeg((0, 0, 200)))
    return tmp_path / "photos"


def test_a_folder_of_photos_becomes_vectors_with_their_ids(model, photos, tmp_path):
    facts = embed(model, tmp_path / "out", images=photos, device="cpu")
    keys, matrix = read_embeddings(tmp_path / "out", "images")
    assert (facts.photos, facts.failed, len(keys), matrix.shape) == (2, 1, 2, (2, 32))
    assert ["a" in keys["id"][0].as_py(), "c" in keys["id"][1].as_py()] == [True, True]
    assert about_embeddings(keys)["model_sha256"] == hash_weights(load_model_folder(model)[0])


def test_arrays_and_tables_give_the_vectors_of_open_clip(model, tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (3, 30, 40, 3), dtype=np.uint8)
    np.save(tmp_path / "x.npy", pixels)
    contents = []
    for image in pixels:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        contents.append(buffer.getvalue())
    pq.write_table(pa.table({"image": contents, "key": ["p", "q", "r"]}), tmp_path / "x.parquet")
    loaded, preprocess, _ = load_model_folder(model)
    with torch.no_grad():
        expected = loaded.encode_image(torch.stack([preprocess(Image.fromarray(image)) for image in pixels]))
    for name, ids in (("x.npy", ["0", "1", "2"]), ("x.parquet", ["p", "q", "r"])):
        embed(model, tmp_path / f"{name}.out", images=tmp_path / name, dtype="float32", unit_length=False, device="cpu")
        stored = np.load(tmp_path / f"{name}.out" / "images.npy")
        np.testing.assert_allclose(stored, expected.numpy(), atol=1e-5)
        assert pq.read_table(tmp_path / f"{name}.out" / "images.parquet")["id"].to_pylist() == ids


def shown(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def read_as_autofaiss(folder, name):
    """The files of NAME/ and metadata/ in the order of their names, rows side by side, as embedding-reader has them."""
    vectors = [np.load(path) for path in sorted((folder / name).glob("*.npy"))]
    rows = [pq.read_table(path) for path in sorted((folder / "metadata").glob("*.parquet"))]
    assert [len(one) for one in vectors] == [len(one) for one in rows]
    return np.concatenate(vectors), pa.concat_tables(rows).to_pandas()


def test_the_layout_of_clip_retrieval_is_what_its_readers_expect(model, photos, tmp_path):
    embed(model, tmp_path / "out", images=photos, layout="clip-retrieval", device="cpu")
    vectors, rows = read_as_autofaiss(tmp_path / "out", "img_emb")
    assert vectors.dtype == np.float16
    assert list(rows["image_path"]) == [str(photos / "trip" / name) for name in ("a.jpg", "c.jpg")]
    embed(model, tmp_path / "ours", images=photos, device="cpu")
    assert np.array_equal(vectors, np.load(tmp_path / "ours" / "images.npy"))
    assert shown(tmp_path / "out") == ["failures.parquet", "img_emb", "metadata"]


def test_texts_in_clip_retrievals_layout_have_their_captions(model, tmp_path):
    (tmp_path / "texts.txt").write_text("a red cup\na blue ball\n")
    embed(model, tmp_path / "out", texts=tmp_path / "texts.txt", layout="clip-retrieval", device="cpu")
    vectors, rows = read_as_autofaiss(tmp_path / "out", "text_emb")
    assert list(rows["caption"]) == ["a red cup", "a blue ball"]
    assert vectors.shape == (2, 32)
    assert shown(tmp_path / "out") == ["metadata", "text_emb"]


def test_lines_are_embedded_in_every_template(model, tmp_path):
    (tmp_path / "classes.txt").write_text("red cup\n\n  blue ball \n")
    templates = ["a photo of a {c}", "a {}"]
    facts = embed(model, tmp_path / "out", texts=tmp_path / "classes.txt", templates=templates, device="cpu")
    keys, matrix = read_embeddings(tmp_path / "out", "texts")
    assert facts.texts == 4
    assert keys["text"].to_pylist() == ["a photo of a red cup", "a red cup", "a photo of a blue ball", "a blue ball"]
    loaded, _, tokenizer = load_model_folder(model)
    with torch.no_grad():
        expected = loaded.encode_text(tokenizer(keys["text"].to_pylist()), normalize=True)
    np.testing.assert_allclose(matrix, expected.numpy(), atol=1e-3)


def test_texts_without_a_template_are_embedded_as_they_are(model, tmp_path):
    (tmp_path / "texts.txt").write_text("a red cup\na red cup\n")
    embed(model, tmp_path / "out", texts=tmp_path / "texts.txt", device="cpu")
    keys, matrix = read_embeddings(tmp_path / "out", "texts")
    assert (keys["id"].to_pylist(), keys["text"].to_pylist()) == (["0", "1"], ["a red cup"] * 2)
    assert np.array_equal(matrix[0], matrix[1])


def test_what_cannot_be_embedded_is_told(model, tmp_path):
    with pytest.raises(PhotosError, match="There is no .*nowhere"):
        embed(model, tmp_path / "out", images=tmp_path / "nowhere", device="cpu")
    with pytest.raises(CaptionsError, match=r"There is no file .*gone.txt"):
        embed(model, tmp_path / "out", texts=tmp_path / "gone.txt", device="cpu")
    (tmp_path / "empty.txt").write_text("\n \n")
    with pytest.raises(CaptionsError, match="holds no text. Write one a line"):
        embed(model, tmp_path / "out", texts=tmp_path / "empty.txt", device="cpu")
    (tmp_path / "one.txt").write_text("a cup\n")
    with pytest.raises(SettingsError, match='The template "a photo" has no place for the text'):
        embed(model, tmp_path / "out", texts=tmp_path / "one.txt", templates=["a photo"], device="cpu")


def test_vectors_of_two_models_are_not_compared(model, photos, tmp_path):
    (tmp_path / "texts.txt").write_text("a red cup\n")
    (tmp_path / "other").mkdir()
    other = build_tiny_model(tmp_path / "other", seed=1)
    embed(model, tmp_path / "images", images=photos, device="cpu")
    images = read_embeddings(tmp_path / "images", "images")
    embed(model, tmp_path / "texts", texts=tmp_path / "texts.txt", device="cpu")
    check_comparable(*images, *read_embeddings(tmp_path / "texts", "texts"))
    embed(other, tmp_path / "texts", texts=tmp_path / "texts.txt", device="cpu", replace=True)
    with pytest.raises(ShapeError, match="of two different models, .* and .* Embed both with one model"):
        check_comparable(*images, *read_embeddings(tmp_path / "texts", "texts"))


def test_vectors_of_other_dimensions_are_not_compared(tmp_path):
    for name, dimensions in (("images", 4), ("texts", 3)):
        write_embeddings(tmp_path, name, ["a", "b"], np.eye(dimensions)[:2])
    with pytest.raises(ShapeError, match="photos have 4 dimensions, those of texts 3. Embed both with one model"):
        check_comparable(*read_embeddings(tmp_path, "images"), *read_embeddings(tmp_path, "texts"))
