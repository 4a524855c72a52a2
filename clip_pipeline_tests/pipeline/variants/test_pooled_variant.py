"""A model that pools its tokens goes the whole way: a variant that its key alone describes is trained, embedded, scored, adapted, reported, and then asked."""

from __future__ import annotations

import json
import shutil
from typing import Any

import numpy as np
import pytest

from clip_pipeline.api.classify import classify
from clip_pipeline.api.embed import embed
from clip_pipeline.api.models import list_models
from clip_pipeline.api.run import run
from clip_pipeline.evaluation.scores import read_scores
from clip_pipeline.models.folder import open_model
from clip_pipeline.pipeline.checks.model import MODEL_CHECKS, vectors_do_not_depend_on_the_batch
from clip_pipeline.pipeline.graph import STEPS, select
from clip_pipeline.pipeline.run import run_steps
from clip_pipeline.pipeline.steps.benchmark_datasets import stored_dataset
from clip_pipeline.pipeline.variants.defined import describe_variants
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import with_settings
from clip_pipeline.settings.recipes import TINY

OWN, POOLED = "tiny_test", "pooling.kind=gumbel+vision_layers=2+steps=4"
CHANGED = {"steps": 4, "vision_layers": 2, "pooling.kind": "gumbel"}


@pytest.fixture(scope="module")
def workspace(tiny_data, tmp_path_factory):
    """The tiny run, and beside its variant one that pools, of which nothing is written down before."""
    folder = tmp_path_factory.mktemp("pooled") / "data"
    shutil.copytree(tiny_data, folder, copy_function=shutil.copy2)
    outcomes = run(TINY, folder, variants=[POOLED])
    assert not [(outcome.asset, outcome.failures) for outcome in outcomes if outcome.failures]
    with Workspace(folder, TINY) as whole:
        yield whole


@pytest.fixture(scope="module")
def checkpoint(workspace):
    return workspace.get("clip_checkpoint", POOLED)


def test_every_asset_of_it_is_built_and_fresh_afterwards(workspace):
    states = {one.name: (one.state, one.changed) for one in describe_variants(workspace)}
    assert states == {OWN: ("trained", {}), POOLED: ("trained", CHANGED)}
    again = run_steps(workspace, select(""))
    assert {outcome.asset: outcome.built for outcome in again if outcome.built} == {}
    assert workspace.get("adaptation_curves", POOLED).file("curve.png").stat().st_size > 0


def test_it_says_of_itself_how_it_pools(checkpoint):
    said = {
        "kind": "gumbel", "order": "serpentine", "after_layer": 1, "segments": 4, "tokens_of_a_segment": 4.0, "padding": 0.0,
        "tokens_of_layers": [17, 5],
    }  # fmt: skip
    assert json.loads(checkpoint.file("training.json").read_text())["token_pooling"] == said
    assert checkpoint.facts["token_pooling"] == said
    (facts,) = list_models([checkpoint.folder])
    assert facts.image_encoder.endswith("16 tokens → 4 after layer 1 (gumbel)")


def test_the_check_of_its_vectors_looked_at_photos_and_passed(workspace):
    found = vectors_do_not_depend_on_the_batch(workspace, POOLED)
    assert (
        found.passed and found.found.startswith("64 photos alone and together") and found.numbers["largest_change"] == 0
    )
    assert (
        vectors_do_not_depend_on_the_batch(workspace, OWN).found
        == "the model pools no tokens, so that nothing is chosen"
    )


def test_a_model_that_looks_at_the_photos_beside_one_stops_what_comes_after(workspace, monkeypatch):
    """As the reference's image encoder did, whose longest photo of a batch decided what the others kept."""
    encoder: Any = open_model(workspace.get("clip_checkpoint", POOLED).folder)[0]
    plain = type(encoder).encode_image

    def of_the_batch(model, photos, **named):
        return plain(model, photos - photos.mean(0, keepdim=True) * (len(photos) > 1), **named)

    monkeypatch.setattr(type(encoder), "encode_image", of_the_batch)
    found = vectors_do_not_depend_on_the_batch(workspace, POOLED)
    (check,) = MODEL_CHECKS
    assert not found.passed and float(found.numbers["min_cosine"]) < 0.9999 and check.blocking


def test_the_report_compares_it_and_says_how_it_pools(workspace):
    report = workspace.get("benchmark_report")
    models = [row["provenance"]["model"] for row in read_scores(report.file("scores.json"))]
    assert models.count(OWN) == models.count(POOLED) > 0
    assert json.loads(report.file("comparison.json").read_text())["variants"] == {OWN: {}, POOLED: CHANGED}
    text, page = (report.file(name).read_text() for name in ("report.md", "report.html"))
    for shown in (text, page):
        assert "Token pooling" in shown and "gumbel (serpentine)" in shown.replace("\\", "")
        assert "17 in layer 1, 5 in layer 2" in shown and "Not scored" not in shown


def test_its_folder_is_taken_by_commands_and_runtimes_as_any_other(workspace, checkpoint, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    dataset = stored_dataset(workspace, "held_out")
    for row in range(5):
        (photos / f"{row}.jpg").write_bytes(dataset.read(row))
    vectors = {}
    for runtime in ("torch_fp32", "onnx_fp32"):
        embed(
            checkpoint.folder, tmp_path / runtime, images=photos, runtime=runtime, dtype="float32", workers=1, threads=1
        )
        vectors[runtime] = np.load(tmp_path / runtime / "images.npy")
    assert vectors["torch_fp32"].shape == (5, 32)
    assert np.abs(vectors["torch_fp32"] - vectors["onnx_fp32"]).max() < 1e-4
    (answer,) = classify(checkpoint.folder, photos / "0.jpg", ["a cup", "a tree"])
    assert sorted(label for label, _ in answer.ranked) == ["a cup", "a tree"]


def test_a_setting_of_pooling_makes_the_checkpoints_stale_whose_model_it_changes(workspace):
    """And no other: with the model's own kind, target and order nothing is trained again."""
    step = STEPS["clip_checkpoint"]

    def stale(*assignments: str) -> bool:
        with Workspace(workspace.store.root, with_settings(TINY, assignments)) as changed:
            return bool(changed.store.why_stale(step.key(POOLED), step.wanted(changed, POOLED)))

    assert not stale("pooling.rate_weight=0.5") and not stale("pooling.kind=gumbel")
    assert stale("pooling.target=8") and stale("pooling.order=hilbert")
