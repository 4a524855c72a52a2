from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from clip_pipeline.evaluation import unit_inference
from clip_pipeline.evaluation.single_photo import SinglePhotos
from clip_pipeline.evaluation.unit_inference import measure_latencies, sample_photo, write_unit_inference
from clip_pipeline.models.folder import open_model
from clip_pipeline.pipeline.builder import BuildContext
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.settings import Recipe
from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.manifest import Wanted
from clip_pipeline_tests.made.tiny_model import build_tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build_tiny_model(tmp_path_factory.mktemp("model"))


PARTS = ["decode and prepare a photo", "image encoder", "tokenise a text", "text encoder", "photo to answer"]


def test_every_part_is_timed_by_itself_and_the_percentiles_are_of_its_tries(model, monkeypatch):
    photos = SinglePhotos(*open_model(model, "cpu"), "cpu")
    calls = []
    monkeypatch.setattr(photos, "embed", lambda pixels, whole=photos.embed: calls.append(1) or whole(pixels))
    latencies = measure_latencies(photos, repeats=7, warm_up=2)
    assert [one.part for one in latencies] == PARTS
    assert all(0 < one.p50_ms <= one.p95_ms and one.repeats == 7 for one in latencies)
    assert len(calls) == 1 + 2 * (7 + 2), "once for its size, and in two parts"


def test_times_are_those_of_a_clock():
    ticks = iter(np.cumsum([0.0, 0, 0.010, 0, 0.020, 0, 0.030, 0]).tolist())
    latency = unit_inference._measure("x", lambda: None, repeats=3, warm_up=5, min_repeats=9, clock=lambda: next(ticks))
    assert (latency.p50_ms, latency.repeats) == (pytest.approx(20), 3)
    assert latency.p95_ms == pytest.approx(np.percentile([10, 20, 30], 95))


def test_a_slow_part_gets_fewer_tries():
    seconds = iter(range(1000))
    slow = unit_inference._measure("slow", lambda: None, repeats=50, warm_up=1, clock=lambda: next(seconds))
    assert slow.repeats == unit_inference.MIN_REPEATS


@pytest.mark.slow
def test_the_table_the_conditions_and_the_plot_are_written(model, tmp_path):
    write_unit_inference(model, tmp_path, "cpu", 1)
    rows = list(csv.DictReader((tmp_path / "latencies.csv").open()))
    assert [row["part"] for row in rows] == PARTS
    told = json.loads((tmp_path / "conditions.json").read_text())
    assert (told["batch"], told["repeats"], told["photo"]) == (1, 50, "JPEG, 640 x 480")
    with Image.open(tmp_path / "latencies.png") as plot:
        assert plot.width > 400


@pytest.mark.slow
def test_other_times_are_the_same_content(model, tmp_path):
    """Nothing that may come to depend on the asset becomes stale because a machine was busy."""
    workspace = SimpleNamespace(get=lambda asset, partition: SimpleNamespace(folder=model), recipe=Recipe())
    store, step = Store(tmp_path), STEPS["unit_inference"]
    contents = []
    for _ in range(2):
        made = store.materialise(
            artifact_key("unit_inference", "tiny"),
            Wanted(step.asset.code_version, {}, {}),
            lambda folder, work: step.builder.build(BuildContext(workspace, "tiny", folder, work)),
            True,
        )
        contents.append((made.artifact.content, made.artifact.file("latencies.csv").read_text()))
    assert contents[0][0] == contents[1][0] and contents[0][1] != contents[1][1]
    assert not [name for name, other in STEPS.items() if "unit_inference" in other.asset.after]


def test_the_photo_is_the_same_each_time():
    assert sample_photo() == sample_photo() and 30_000 < len(sample_photo()) < 150_000
