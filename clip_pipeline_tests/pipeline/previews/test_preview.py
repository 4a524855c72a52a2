"""Images of artifacts are made small enough for the page, and those that are too many are named."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from clip_pipeline.pipeline.previews.preview import MAX_FIGURES, MAX_IMAGES_BYTES, MAX_NUMBERS, preview
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.manifest import Built, Wanted
from clip_pipeline_tests.made.chance import TEST_SEED


@pytest.fixture
def report(tmp_path):
    """A report of one score and nine large figures of noise, which is the hardest to make small."""
    noise = np.random.default_rng(TEST_SEED).integers(0, 255, (900, 1200, 3), np.uint8)

    def write(folder, work):
        (folder / "figures").mkdir()
        for name in ("scores", *(f"photos_set{number}" for number in range(8))):
            Image.fromarray(noise).save(folder / "figures" / f"{name}.png", compress_level=0)
        (folder / "scores.json").write_text("[]")
        (folder / "report.html").write_text("<p>")
        return Built(rows={"scores": 0})

    return Store(tmp_path).materialise(artifact_key("benchmark_report"), Wanted("1", {}, {}), write).artifact


def test_large_figures_are_made_smaller_instead_of_left_out(report):
    images = preview(report).images
    assert len(images) == MAX_FIGURES and "Figure: photos set0" in images
    assert sum(len(image.content) for image in images.values()) <= MAX_IMAGES_BYTES
    assert all(Image.open(io.BytesIO(image.content)).width >= 300 for image in images.values())


def test_figures_that_are_too_many_are_named_and_the_report_is_a_path(report):
    shown = preview(report)
    assert shown.notes["More figures in the folder"].split(", ")[0] == "figures/photos_set5.png"
    assert shown.pages == {"Report": report.file("report.html")}
    assert shown.numbers == {} and shown.tables == {}


def test_scores_that_are_too_many_for_plots_are_counted(tmp_path):
    row = {"task": "zero_shot", "split": "test", "templates": "own", "metric": "top1", "provenance": {"model": "tiny"}}
    row |= {"value": 0.5, "low": 0.4, "high": 0.6, "n": 9, "chance": 0.1}

    def write(folder, work):
        (folder / "scores.json").write_text(json.dumps([row | {"dataset": f"set{number}"} for number in range(100)]))
        (folder / "report.html").write_text("<p>")
        return Built(rows={"scores": 100})

    shown = preview(Store(tmp_path).materialise(artifact_key("benchmark_report"), Wanted("1", {}, {}), write).artifact)
    assert len(shown.numbers) == MAX_NUMBERS
    assert shown.notes["More scores"].startswith(f"{100 - MAX_NUMBERS} are in scores.json")
