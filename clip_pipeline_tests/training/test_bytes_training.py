"""A model that reads bytes is trained from captions alone: there is no tokenizer, in the training or in its folder."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import math
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from clip_pipeline.models.folder import CONFIG_FILE, load_model_folder
from clip_pipeline.models.registry import load_config
from clip_pipeline.models.torchvision_operators import load_open_clip
from clip_pipeline.text.byte_tokenizer import ByteTokenizer
from clip_pipeline_tests.training.conftest import COLOURS, SETTINGS, TinyData, coloured_photo
from clip_pipeline_tests.training.test_train import model_bytes

STILL: dict[str, Any] = {"steps": 1, "learning_rate": 1e-9, "weight_decay": 0.0}
"""A training that moves nothing."""


def config_file(folder: Path, kind: str = "whitespace", length: int = 30, **pooling: Any) -> str:
    config = load_config("tiny_test") | {"custom_text": True}
    config["text_cfg"] |= {"layers": 2, "context_length": length, "vocab_size": 259}
    config["text_cfg"] |= {"token_pooling": {"tokens": "bytes", "kind": kind} | pooling}
    path = folder / f"{kind}.json"
    path.write_text(json.dumps(config))
    return str(path)


def settings(model: str, **changes: Any):
    return dataclasses.replace(SETTINGS, model=model, **changes)


@pytest.fixture(scope="module")
def trained(tiny_data: TinyData, tmp_path_factory) -> Path:
    """An undisturbed training; its configuration lies beside it."""
    root = tmp_path_factory.mktemp("bytes")
    tiny_data.train(root, settings(config_file(root)), tokenizer_folder=None)
    return root


def similarities(root: Path, texts: list[str]) -> torch.Tensor:
    model: Any
    model, preprocess, tokenizer = load_model_folder(root / "model")
    photos = torch.stack([preprocess(Image.open(io.BytesIO(coloured_photo(colour, 900)))) for colour in COLOURS])
    with torch.no_grad():
        return model.encode_image(photos, normalize=True) @ model.encode_text(tokenizer(texts), normalize=True).T


def test_it_learns_the_colours_also_mistyped(trained):
    assert similarities(trained, [f"{colour} paint" for colour in COLOURS]).argmax(1).tolist() == [0, 1, 2, 3]
    mistyped = ["redd paint", "geren paint", "bleu paint", "yelow paint"]
    assert similarities(trained, mistyped).argmax(1).tolist() == [0, 1, 2, 3]
    summary = json.loads((trained / "model" / "training.json").read_text())
    assert summary["text_token_pooling"] == {
        "tokens": "bytes", "kind": "whitespace", "convolution": 5, "after_layer": 0, "max_segments": 12,
    }  # fmt: skip
    assert summary["final_train_loss"] < 0.9 * math.log(8)


def test_its_folder_holds_no_tokenizer_and_plain_open_clip_refuses_it(trained):
    folder = trained / "model"
    assert not [path.name for path in folder.iterdir() if "token" in path.name]
    text = json.loads((folder / CONFIG_FILE).read_text())["model_cfg"]["text_cfg"]
    assert (text["vocab_size"], text["eos_id"]) == (259, 258) and "hf_tokenizer_name" not in text
    assert isinstance(load_model_folder(folder)[2], ByteTokenizer)
    with pytest.raises(TypeError, match="token_pooling"):
        load_open_clip().create_model(f"local-dir:{folder}")


@pytest.mark.parametrize("kind", ["whitespace", "router"])
def test_it_goes_on_after_ctrl_c_to_the_same_bytes(tiny_data: TinyData, tmp_path, kind):
    wanted = settings(config_file(tmp_path, kind), steps=24)

    def press(row) -> None:
        if row["step"] == 9:
            signal.raise_signal(signal.SIGINT)

    tiny_data.train(tmp_path / "whole", wanted, tokenizer_folder=None)
    with pytest.raises(KeyboardInterrupt):
        tiny_data.train(tmp_path / "twice", wanted, tokenizer_folder=None, on_row=press)
    tiny_data.train(tmp_path / "twice", wanted, tokenizer_folder=None)
    assert model_bytes(tmp_path / "twice") == model_bytes(tmp_path / "whole")


def test_a_trained_one_is_gone_on_from(tiny_data: TinyData, trained, tmp_path):
    tiny_data.train(tmp_path, settings("tiny_test", init_from=str(trained / "model"), **STILL), tokenizer_folder=None)
    texts = ["red paint", "nobody knows", "日本語"]
    assert torch.allclose(similarities(tmp_path, texts), similarities(trained, texts), atol=1e-5)


def test_it_may_stay_the_mean_of_its_words(tiny_data: TinyData, tmp_path):
    wanted = settings(config_file(tmp_path), steps=24, text_encoder="stays_mean")
    tiny_data.train(tmp_path, wanted, tokenizer_folder=None)
    text: Any = load_model_folder(tmp_path / "model")[0].text
    assert not text.positional_embedding.any()
    assert not any(
        block.attn.in_proj_weight[:32].any() or block.mlp.c_proj.weight.any() for block in text.transformer.resblocks
    )


@pytest.mark.parametrize("pooling", [{"kind": "fixed"}, {"kind": "router"}])
def test_tokens_of_a_tokenizer_are_pooled_in_training_too(tiny_data: TinyData, tmp_path, pooling):
    config = load_config("tiny_test") | {"custom_text": True}
    config["text_cfg"] |= {"layers": 2, "token_pooling": pooling}
    (tmp_path / "pooled.json").write_text(json.dumps(config))
    tiny_data.train(tmp_path, settings(str(tmp_path / "pooled.json")))
    assert (tmp_path / "model" / "tokenizer.json").is_file()
    assert similarities(tmp_path, [f"{colour} paint" for colour in COLOURS]).argmax(1).tolist() == [0, 1, 2, 3]


def test_captions_that_are_cut_and_a_loss_that_means_nothing_are_said(tiny_data: TinyData, tmp_path, caplog):
    wanted = settings(config_file(tmp_path, length=12), bag_of_words_loss=1.0, **STILL)
    with caplog.at_level(logging.WARNING):
        tiny_data.train(tmp_path, wanted, tokenizer_folder=None)
    assert "captions are longer than the 12 bytes of the text encoder" in caplog.text
    assert "Raise training.context_length, or lower pairs.max_caption_words." in caplog.text
    assert "training.bag_of_words_loss asks an image for the tokens of its captions" in caplog.text
