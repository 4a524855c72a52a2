"""Model folders as people have them at hand and open_clip does not read them: the sentence names the file and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clip_pipeline.errors import ModelError
from clip_pipeline.models.folder import check_model, open_model
from clip_pipeline_tests.made.model_forms import CLIPS, PLAIN, changed, pickled, safetensors, write_folder

Weights = dict[str, Any]
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


def in_shards(weights: Weights, folder: Path) -> None:
    names = sorted(weights)
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        safetensors({name: weights[name] for name in part}, folder, f"model-{number:05d}-of-00002.safetensors")


def renamed(before: str, under: str = "") -> Callable[[Weights, Path], None]:
    def save(weights: Weights, folder: Path) -> None:
        named = {before + name: tensor for name, tensor in weights.items()}
        pickled({under: named, "epoch": 3} if under else named, folder)

    return save


def nothing(weights: Weights, folder: Path) -> None:
    pass


def bytes_in(name: str, content: bytes) -> Callable[[Weights, Path], None]:
    return lambda weights, folder: (folder / name).write_bytes(content) and None


@pytest.mark.parametrize(
    ("save", "sentence"),
    [
        (in_shards, r"lie in 2 shards, model-00001-of-00002\.safetensors and others, .* Join them into"),
        (lambda w, to: pickled(w, to, "epoch_3.pt"), r"epoch_3\.pt is not read by its ending: call it open_clip_pytorch_model"),
        (bytes_in("open_clip_model.safetensors", LFS), r"open_clip_model\.safetensors holds no weights: .*git lfs pull"),
        (bytes_in("open_clip_pytorch_model.bin", LFS), r"open_clip_pytorch_model\.bin holds no weights: .*git lfs pull"),
        (bytes_in("open_clip_pytorch_model.bin", b"<html>no"), "is no file of weights, it looks like a page of HTML"),
        (bytes_in("open_clip_pytorch_model.bin", b""), "is no file of weights, it looks like nothing: it is empty"),
    ],
)  # fmt: skip
def test_weights_that_are_not_read_are_said_before_torch_is_loaded(save, sentence, tmp_path):
    folder = write_folder(tmp_path / "theirs", PLAIN, CLIPS, save)
    with pytest.raises(ModelError, match=sentence):
        check_model(folder)


@pytest.mark.parametrize(
    ("save", "sentence"),
    [
        (renamed("_orig_mod."), r'open_clip_pytorch_model\.bin all names begin with "_orig_mod\."'),
        (renamed("module._orig_mod.", "state_dict"), 'all names begin with "_orig_mod."'),
        (renamed("model.", "state_dict"), 'all names begin with "model."'),
        (renamed("", "model"), r"open_clip_pytorch_model\.bin is a dictionary of model, epoch, .* Save the weights alone"),
        (lambda w, to: pickled(dict(list(w.items())[3:]), to), r"open_clip_pytorch_model\.bin lacks positional_embedding"),
        (lambda w, to: safetensors(w | {"more": w["logit_scale"].clone()}, to), r"open_clip_model\.safetensors has the unknown more"),
    ],
)  # fmt: skip
def test_weights_by_other_names_are_said_with_their_file(save, sentence, tmp_path):
    with pytest.raises(ModelError, match=sentence):
        open_model(write_folder(tmp_path / "theirs", PLAIN, CLIPS, save))


def test_what_lies_in_the_place_of_a_model_folder_is_named(tmp_path):
    write_folder(tmp_path / "run" / "best", PLAIN, CLIPS, safetensors)
    with pytest.raises(ModelError, match=r"In it best is one: give .*run/best"):
        check_model(tmp_path / "run")
    other = write_folder(tmp_path / "theirs", PLAIN, CLIPS, lambda w, to: pickled(w, to, "pytorch_model.bin"))
    (other / "open_clip_config.json").rename(other / "config.json")
    with pytest.raises(ModelError, match=r"holds no open_clip_config\.json.* Its config\.json is that of transformers"):
        check_model(other)
    flat = write_folder(tmp_path / "flat", PLAIN, CLIPS, safetensors)
    (flat / "open_clip_config.json").write_text(json.dumps(PLAIN))
    with pytest.raises(ModelError, match=r'has no model_cfg. Expected open_clip\'s format: {"model_cfg"'):
        check_model(flat)


def test_a_tokenizer_that_is_asked_for_and_not_there_or_damaged_is_named(tmp_path):
    folder = write_folder(
        tmp_path / "theirs", changed({"vocab_size": 64, "hf_tokenizer_name": "."}), CLIPS, safetensors
    )
    with pytest.raises(ModelError, match=r"holds no tokenizer\.json, and its configuration says"):
        check_model(folder)
    (folder / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="cannot load the tokenizer of the model in"):
        open_model(folder)
