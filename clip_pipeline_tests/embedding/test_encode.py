from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from clip_pipeline.embedding import encode
from clip_pipeline.embedding.encode import embed_images, embed_texts
from clip_pipeline.errors import ModelError
from clip_pipeline.models.folder import load_model_folder
from clip_pipeline_tests.made.tiny_model import build_tiny_model, jpeg


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    return load_model_folder(build_tiny_model(tmp_path_factory.mktemp("model")))


def photos(count: int) -> list[tuple[str, bytes]]:
    return [(f"photo{i}", jpeg((i * 7 % 256, i * 31 % 256, i * 3 % 256))) for i in range(count)]


def test_vectors_equal_those_of_open_clip_one_photo_at_a_time(loaded):
    model, preprocess, _ = loaded
    embedded = embed_images(model, preprocess, photos(5))
    assert embedded.ids == [f"photo{i}" for i in range(5)]
    for row, (_, content) in zip(embedded.matrix_ND, photos(5), strict=True):
        with torch.no_grad():
            alone = model.encode_image(preprocess(Image.open(io.BytesIO(content))).unsqueeze(0), normalize=True)
        np.testing.assert_allclose(row, alone[0].numpy(), atol=1e-6)


def test_rows_have_length_one(loaded):
    model, preprocess, tokenizer = loaded
    images = embed_images(model, preprocess, photos(3)).matrix_ND
    texts = embed_texts(model, tokenizer, ["a red cup", "a blue ball"])
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-6)


def test_every_photo_is_embedded_once_across_batch_borders(loaded):
    # the reference project sliced i:i+512 for i = 0, 1, 2 …, so most rows were used again and again and others never
    model, preprocess, _ = loaded
    many = photos(131)  # two full batches of 64 and a rest
    embedded = embed_images(model, preprocess, many)
    assert embedded.ids == [photo_id for photo_id, _ in many]
    for row in (0, 63, 64, 127, 128, 130):
        alone = embed_images(model, preprocess, [many[row]])
        np.testing.assert_allclose(embedded.matrix_ND[row], alone.matrix_ND[0], atol=1e-6)


def test_batch_size_and_workers_change_no_bit_on_the_cpu(loaded):
    model, preprocess, _ = loaded
    one = embed_images(model, preprocess, photos(70), batch_size=3, workers=1)
    other = embed_images(model, preprocess, photos(70), batch_size=500, workers=4)
    assert one.matrix_ND.tobytes() == other.matrix_ND.tobytes()


def test_a_photo_that_cannot_be_decoded_is_a_row_with_a_reason(loaded):
    model, preprocess, _ = loaded
    whole = jpeg((9, 9, 9), (200, 160))
    broken = [("good", whole), ("html", b"<html>not found</html>"), ("cut", whole[: len(whole) // 2]), ("empty", b"")]
    embedded = embed_images(model, preprocess, broken)
    assert embedded.ids == ["good"]
    assert [(photo_id, status) for photo_id, status, _ in embedded.failures] == [
        ("html", "broken_image"),
        ("cut", "broken_image"),
        ("empty", "broken_image"),
    ]
    assert all(message for _, _, message in embedded.failures)


def test_a_preprocess_of_another_kind_is_used_whole(loaded):
    model, preprocess, _ = loaded
    one = embed_images(model, lambda image: preprocess(image), photos(3))
    assert (one.matrix_ND == embed_images(model, preprocess, photos(3)).matrix_ND).all()


class Pixels:
    """A model whose embedding is the image itself."""

    def encode_image(self, pixels_NCHW: torch.Tensor) -> torch.Tensor:
        return pixels_NCHW.flatten(1)


def test_a_photo_is_turned_upright_as_its_exif_says(loaded):
    _, preprocess, _ = loaded
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side: to be turned clockwise
    lying = Image.open(io.BytesIO(halves_jpeg()))
    embedded = embed_images(Pixels(), preprocess, [("turned", halves_jpeg(exif=exif)), ("lying", halves_jpeg())])
    expected = preprocess(lying.transpose(Image.Transpose.ROTATE_270)).flatten()
    np.testing.assert_allclose(embedded.matrix_ND[0], expected / expected.norm(), atol=1e-3)
    assert np.abs(embedded.matrix_ND[0] - embedded.matrix_ND[1]).max() > 0.01


def halves_jpeg(**options: object) -> bytes:
    """Dark on the left, light on the right: it can be told which way it lies."""
    image = Image.new("RGB", (32, 32), (60, 10, 10))
    image.paste((250, 240, 200), (16, 0, 32, 32))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def test_transparency_becomes_white(loaded):
    _, preprocess, _ = loaded
    contents = []
    for image in (Image.new("RGBA", (20, 20), (0, 0, 0, 0)), Image.new("RGB", (20, 20), "white")):
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        contents.append(buffer.getvalue())
    clear, white = embed_images(Pixels(), preprocess, [("clear", contents[0]), ("white", contents[1])]).matrix_ND
    np.testing.assert_array_equal(clear, white)
    assert (white > 0).all()


def test_equal_texts_give_equal_rows_in_the_order_asked(loaded):
    model, _, tokenizer = loaded
    rows = embed_texts(model, tokenizer, ["a red cup", "two green boxes", "a red cup"])
    assert rows.shape == (3, 32)
    assert (rows[0] == rows[2]).all()
    alone = embed_texts(model, tokenizer, ["two green boxes"])
    np.testing.assert_allclose(rows[1], alone[0], atol=1e-6)


def test_texts_of_any_length_have_the_vectors_that_the_model_gives_each_alone(loaded):
    model, _, tokenizer = loaded
    texts = [" ".join(["red cup on a table"] * (number % 4) + [f"{number}"]) for number in range(200)] + [
        "",
        "a red cup",
    ]
    with torch.no_grad():
        alone = torch.cat([model.encode_text(tokenizer([text]), normalize=True) for text in texts]).numpy()
    np.testing.assert_allclose(embed_texts(model, tokenizer, texts), alone, atol=1e-6)
    shuffled = texts[::-1] + texts[:7]
    again = embed_texts(model, tokenizer, shuffled)
    assert (again[: len(texts)][::-1] == embed_texts(model, tokenizer, texts)).all()


def test_more_texts_than_are_sorted_at_a_time(loaded, monkeypatch):
    model, _, tokenizer = loaded
    texts = [" ".join(["red"] * (number % 5) + [f"{number}"]) for number in range(230)]
    whole = embed_texts(model, tokenizer, texts)
    monkeypatch.setattr(encode, "TEXTS_SORTED", 100)
    np.testing.assert_allclose(embed_texts(model, tokenizer, texts), whole, atol=1e-6)


def test_a_model_with_damaged_weights_is_told(tmp_path):
    model, preprocess, _ = load_model_folder(build_tiny_model(tmp_path))
    with torch.no_grad():
        model.visual.proj.fill_(float("nan"))
    with pytest.raises(ModelError, match="gives 2 of 2 photos a vector that is zero or not finite"):
        embed_images(model, preprocess, photos(2))


def test_a_token_beyond_the_models_table_is_a_sentence(loaded):
    model, _, _ = loaded
    with pytest.raises(
        ModelError, match=r"gives the token 49,407, the model's vocabulary ends at \d+: it is not the model's own"
    ):
        embed_texts(model, lambda texts: torch.full((len(texts), 12), 49_407), ["a red cup"])
