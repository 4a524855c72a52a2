"""The runtime of the embeddings as an artifact: what is measured, what is content, and what it leaves fresh."""

from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from clip_pipeline.embedding.runtimes.choice import Measuring
from clip_pipeline.embedding.runtimes.registry import RUNTIMES
from clip_pipeline.errors import MissingRuntimeError, ModelError
from clip_pipeline.pipeline.graph import STEPS, select
from clip_pipeline.pipeline.previews.preview import preview
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.status import pipeline_status
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.steps.embedding import build_runtime
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import EmbeddingSettings, with_settings
from clip_pipeline.settings.recipes import RECIPES, find_recipe
from clip_pipeline_tests.made.quick_runtimes import Quick

RUNTIME, SWEEP = STEPS["embedding_runtime"], STEPS["parallelism_benchmark"]
IMAGES, TEXTS = STEPS["image_embeddings"], STEPS["text_embeddings"]
HELD_OUT = "held_out|tiny_test"


@pytest.fixture
def data(tiny_data, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_data, tmp_path / "data", copy_function=shutil.copy2))


def choosing(measuring: Measuring) -> Step:
    """The step of the choice, measured in another way."""
    return replace(RUNTIME, builder=replace(RUNTIME.builder, build=partial(build_runtime, measuring=measuring)))


def workspace(data: Path, *assignments: str) -> Workspace:
    return Workspace(data, with_settings(find_recipe("tiny"), [f"embedding.{one}" for one in assignments]))


def test_the_demo_stays_on_fp32_and_other_recipes_measure():
    wanted = {name: recipe.embedding.runtime for name, recipe in RECIPES.items()}
    assert wanted == {"sandbox": "torch_fp32", "tiny": "torch_fp32"} | dict.fromkeys(
        ("laptop", "finetune", "workstation", "wkit24m"), "auto"
    )


def test_settings_and_registry_name_the_same_runtimes():
    import dataclasses

    (field,) = [field for field in dataclasses.fields(EmbeddingSettings) if field.name == "runtime"]
    assert field.metadata["choices"] == ("auto", *RUNTIMES)


def test_a_measured_choice_holds_no_timing_and_a_second_measurement_leaves_the_embeddings_fresh(data):
    step = choosing(Quick().measuring)
    with workspace(data, "runtime=auto", "min_photos=0") as opened:
        chosen = step.materialise(opened, "tiny_test").artifact
        content = json.loads(chosen.file("runtime.json").read_text())
        assert content == {"runtime": chosen.facts["runtime"], "agrees": True}
        assert chosen.rows == {"measured": 2}
        sidecars = {name for name, entry in chosen.manifest["files"].items() if entry["sidecar"]}
        assert sidecars == {"measurements.json", "measurements.csv", "runtimes.png"}
        IMAGES.materialise(opened, HELD_OUT)
        first = json.loads(chosen.file("measurements.json").read_text())
        again = step.materialise(opened, "tiny_test", force=True).artifact
        if again.facts["runtime"] == chosen.facts["runtime"]:
            assert json.loads(again.file("measurements.json").read_text()) != first
            assert again.content == chosen.content and IMAGES.materialise(opened, HELD_OUT).hit


def test_fp32_needs_no_choice_to_be_there(data):
    shutil.rmtree(data / "embedding" / "embedding_runtime")  # as in a data folder of an earlier version
    with workspace(data) as opened:
        assert IMAGES.materialise(opened, HELD_OUT).hit


def test_few_photos_are_not_measured(data):
    quick = Quick()
    with workspace(data, "runtime=auto") as opened:
        chosen = choosing(quick.measuring).materialise(opened, "tiny_test").artifact
        assert chosen.rows == {"measured": 0} and not quick.asked
        assert chosen.facts["why"].endswith("fewer than embedding.min_photos")
        assert IMAGES.materialise(opened, HELD_OUT).hit, "it is the same runtime as before"


def test_another_runtime_embeds_the_photos_again_and_not_the_texts(data):
    quick = Quick()
    before = np.load(data / "embedding/image_embeddings/held_out/tiny_test/images.npy")
    with workspace(data, "runtime=torch_bf16") as opened:
        choosing(quick.measuring).materialise(opened, "tiny_test")
        assert quick.asked == ["torch_fp32", "torch_bf16"], "also a runtime that was named must agree"
        embedded = IMAGES.materialise(opened, HELD_OUT)
        assert not embedded.hit and "embedding_runtime" in embedded.reason
        assert embedded.artifact.facts["runtime"] == "torch_bf16"
        assert TEXTS.materialise(opened, HELD_OUT).hit
    after = np.load(embedded.artifact.file("images.npy"))
    assert (after != before).any()
    assert (after.astype(np.float32) * before).sum(1).min() > 0.999


def test_a_runtime_that_does_not_agree_is_refused_and_nothing_is_published(data):
    class Wrong:
        name = "torch_bf16"

        def encode_images(self, pixels_NCHW):
            return np.ones((len(pixels_NCHW), 32), np.float32)

    step = choosing(Quick(torch_bf16=lambda model, place: Wrong()).measuring)
    with workspace(data, "runtime=torch_bf16") as opened:
        before = opened.get("embedding_runtime", "tiny_test").content
        with pytest.raises(ModelError, match="torch_bf16 was asked for and does not agree with torch_fp32"):
            step.materialise(opened, "tiny_test")
        assert opened.get("embedding_runtime", "tiny_test").content == before
    with workspace(data, "runtime=auto", "min_photos=0") as opened:
        assert step.materialise(opened, "tiny_test").artifact.facts["runtime"] == "torch_fp32"


def test_a_choice_of_another_machine_says_how_to_choose_again(data):
    with workspace(data, "runtime=auto") as opened:
        folder = opened.store.folder(artifact_key("embedding_runtime", "tiny_test"))
        (folder / "runtime.json").write_text('{"runtime": "cuda_half", "agrees": true}')
        with pytest.raises(MissingRuntimeError, match="needs a CUDA device.*Materialise embedding_runtime.* again"):
            IMAGES.materialise(opened, HELD_OUT, force=True)


def test_the_choice_is_stale_when_there_is_another_runtime_to_choose(data, monkeypatch):
    with workspace(data, "runtime=auto", "min_photos=0") as opened:
        before = RUNTIME.wanted(opened, "tiny_test")
        assert RUNTIME.wanted(opened, "tiny_test") == before
        monkeypatch.setitem(RUNTIMES, "new_one", RUNTIMES["torch_bf16"])
        assert RUNTIME.wanted(opened, "tiny_test") != before


# ---- commands without a data folder


@pytest.mark.skipif(importlib.util.find_spec("onnxruntime") is None, reason="onnxruntime is not installed")
def test_a_graph_of_the_pipeline_lies_in_the_data_folder(data):
    step = choosing(Measuring(photos=20, labelled_photos=40, repeats=1))
    with workspace(data, "runtime=onnx_int8") as opened:
        step.materialise(opened, "tiny_test")
        assert IMAGES.materialise(opened, HELD_OUT).artifact.facts["runtime"] == "onnx_int8"
    assert list((data / ".cache" / "onnx_int8").glob("*/graph.onnx"))


# ---- parallelism_benchmark


def names(expression: str) -> set[str]:
    return {step.name for step in select(expression)}


def test_the_sweep_runs_only_when_it_is_asked_for_by_name():
    assert "parallelism_benchmark" not in names("") | names("embedding") | names("clip_checkpoint+") | names(
        "+image_embeddings"
    )
    assert names("parallelism_benchmark") == {"parallelism_benchmark"}
    assert {"parallelism_benchmark", "embedding_runtime", "clip_checkpoint"} <= names("+parallelism_benchmark")
    assert "parallelism_benchmark" in names("embedding,parallelism_benchmark")


def test_the_sweep_is_an_artifact_with_a_table_and_a_image(data):
    settings = ["parallelism.processes=1", "parallelism.threads=1", "parallelism.repeats=1", "parallelism.photos=70"]
    with Workspace(data, with_settings(find_recipe("tiny"), settings)) as opened:
        states = {status.asset: status.state for status in pipeline_status(opened, [SWEEP])}
        assert states == {"parallelism_benchmark": "on request"}
        made = SWEEP.materialise(opened, "tiny_test").artifact
        assert json.loads(made.file("grid.json").read_text()) == {
            "cells": [[1, 1]], "runtime": "torch_fp32", "photos": 70, "repeats": 1,
        }  # fmt: skip
        assert {"parallelism.parquet", "parallelism.csv", "parallelism.json", "parallelism.png"} < set(
            made.manifest["files"]
        )
        assert made.rows == {"rows": 2} and "1 × 1 threads" in made.facts["fastest"]
        assert preview(made).images.keys() == {"Figure: parallelism"}
        assert SWEEP.materialise(opened, "tiny_test").hit
