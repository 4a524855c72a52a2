"""Weights that are no numbers, and weights of another size than their configuration says: neither is taken without a word."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from clip_pipeline.errors import ModelError
from clip_pipeline.models.folder import open_model
from clip_pipeline.models.loaded_weights import check_finite, resized_facts
from clip_pipeline_tests.made.model_forms import (
    CLIPS,
    PLAIN,
    Config,
    _resnet,
    changed,
    checkpoint,
    halved,
    pickled,
    random_model,
    safetensors,
    write_folder,
)

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(("save", "file"), [
    (safetensors, "open_clip_model.safetensors"), (halved, "open_clip_model.safetensors"),
    (pickled, "open_clip_pytorch_model.bin"), (checkpoint, "open_clip_pytorch_model.bin"),
])  # fmt: skip
def test_weights_that_are_no_numbers_are_refused_with_their_file_in_any_form(save, file, tmp_path):
    def odd(weights: dict[str, Any], folder: Path) -> None:
        weights["visual.proj"][0, :3] = NAN
        weights["visual.conv1.weight"][0, 0, 0, 0] = -INF
        save(weights, folder)

    folder = write_folder(tmp_path / "diverged", PLAIN, CLIPS, odd)
    with pytest.raises(ModelError) as error:
        open_model(folder)
    said = str(error.value)
    assert said.startswith(f"{folder / file} holds 2 tensors with NaN or infinity, first visual.proj: 3 of its 1,024")
    assert "take an earlier checkpoint" in said


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_a_checkpoint_beside_an_architecture_is_looked_at_too(value, tmp_path):
    import open_clip

    name = "tiny-of-open-clip"
    (tmp_path / f"{name}.json").write_text(json.dumps(PLAIN))
    open_clip.add_model_config(tmp_path / f"{name}.json")
    weights = random_model(PLAIN).state_dict()
    weights["ln_final.bias"][1] = value
    checkpoint(weights, tmp_path, "epoch_9.pt")
    with pytest.raises(
        ModelError, match=r"epoch_9\.pt holds 1 tensor with NaN or infinity, first ln_final\.bias: 1 of"
    ):
        open_model(f"{name}/{tmp_path / 'epoch_9.pt'}")


def test_the_statistics_of_batch_norms_count_too(tmp_path):
    folder = Path(_resnet(tmp_path / "resnet"))
    from safetensors.torch import load_file

    weights = load_file(folder / "open_clip_model.safetensors")
    weights["visual.bn1.running_var"][0] = INF
    safetensors(weights, folder)
    with pytest.raises(ModelError, match=r"first visual\.bn1\.running_var"):
        open_model(folder)


def test_masks_may_hold_minus_infinity_and_empty_tensors_are_finite():
    import torch

    module = torch.nn.Linear(2, 2)
    module.register_buffer("mask", torch.full((2, 2), -INF).triu(1))
    module.register_buffer("none", torch.zeros(0))
    module.register_buffer("count", torch.tensor(3))
    check_finite(module, "a file")
    module.register_buffer("mask", torch.full((2, 2), NAN))
    with pytest.raises(ModelError, match=r"a file holds 1 tensor .* first mask: 4 of its 4"):
        check_finite(module, "a file")


def misfit(folder: Path, said: Config, trained: Config = PLAIN) -> Path:
    write_folder(folder, trained, CLIPS, safetensors)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": said, "preprocess_cfg": CLIPS}))
    return folder


@pytest.mark.parametrize(("said", "words"), [
    (changed(vision={"image_size": 48}), [r"images of 32 × 32 pixels \(4 × 4 patches\), image_size .* 48 × 48; set it to 32 × 32"]),
    (changed(vision={"image_size": [16, 40]}), [r"images of 32 × 32 pixels .* 16 × 40"]),
    (changed({"context_length": 20}), ["texts of 12 tokens, context_length in its configuration says 20; set it to 12"]),
    (changed({"context_length": 8}, custom_text=True), ["texts of 12 tokens, .* says 8"]),
    (changed({"context_length": 20}, {"image_size": 16}), ["images of 32 × 32 .* 16 × 16", "texts of 12 tokens"]),
])  # fmt: skip
def test_weights_of_another_size_are_interpolated_as_open_clip_does_and_that_is_said(said, words, tmp_path, caplog):
    folder = misfit(tmp_path / "theirs", said)
    with caplog.at_level(logging.WARNING, "clip_pipeline"):
        model, _, _ = open_model(folder)
    lines = [record.getMessage() for record in caplog.records if "interpolated" in record.getMessage()]
    assert len(lines) == len(words)
    for line, pattern in zip(lines, words, strict=True):
        assert line.startswith(f"{folder}: ")
        assert re.search(pattern, line)
    fact = resized_facts(model)["resized_weights"]
    assert all(re.search(pattern, fact) for pattern in words)


def test_weights_that_fit_are_loaded_without_a_word_and_open_clip_is_left_as_it_was(tmp_path, caplog):
    import open_clip.factory as factory

    before = factory.resize_pos_embed, factory.resize_text_pos_embed
    with caplog.at_level(logging.WARNING, "clip_pipeline"):
        model, _, _ = open_model(misfit(tmp_path / "theirs", PLAIN))
    assert not caplog.records and not resized_facts(model)
    assert (factory.resize_pos_embed, factory.resize_text_pos_embed) == before


def test_a_grid_that_was_no_square_is_an_error_with_its_name(tmp_path):
    folder = misfit(tmp_path / "theirs", PLAIN, changed(vision={"image_size": [24, 40]}))
    with pytest.raises(ModelError, match="open_clip cannot load the model in"):
        open_model(folder)


@pytest.mark.parametrize(
    ("size", "words"),
    [(24, "is 24, image_size of vision_cfg is 32 × 32"), ([32, 48], "is 32 × 48"), (32, ""), ([32], "")],
)
def test_a_size_of_preprocess_cfg_that_is_passed_over_is_said(size, words, tmp_path, caplog):
    folder = write_folder(tmp_path / "theirs", PLAIN, CLIPS | {"size": size}, safetensors)
    with caplog.at_level(logging.WARNING, "clip_pipeline"):
        open_model(folder)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == bool(words) and (not words or words in lines[0])


def test_what_was_interpolated_is_a_fact_of_what_is_made_with_the_model(tmp_path):
    from clip_pipeline import embed
    from clip_pipeline.embedding.store import about_embeddings, read_embeddings
    from clip_pipeline.evaluation.provenance import Scored, with_provenance, with_vectors
    from clip_pipeline.training.model.initial_model import InitialModel, make_model

    config = changed({"context_length": 20})
    folder = misfit(tmp_path / "theirs", config)
    (tmp_path / "texts.txt").write_text("a cup\na table\n")
    embed(folder, tmp_path / "out", texts=tmp_path / "texts.txt")
    about = about_embeddings(read_embeddings(tmp_path / "out", "texts")[0])
    assert "texts of 12 tokens" in about["resized_weights"]
    row = {"templates": "", "provenance": {"predictions": "none"}}
    for said, expected in ((about, about["resized_weights"]), ({}, None)):
        (scored,) = with_provenance([row], tmp_path, with_vectors(Scored("m"), said), None, {})
        assert scored["provenance"].get("resized_weights") == expected
    gone_on = make_model(config, InitialModel("theirs", init_from=str(folder)), "cpu")
    assert resized_facts(gone_on)["resized_weights"] == about["resized_weights"]
