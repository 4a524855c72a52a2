"""The choice of a runtime, with runtimes whose speed and faults are known."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch

from clip_pipeline.embedding.ready_pixels import ReadyPixels, ready_pixels
from clip_pipeline.embedding.runtimes.agreement import Benchmark, lowest_cosine, top1, within_points
from clip_pipeline.embedding.runtimes.choice import Measuring, choose_runtime, write_choice
from clip_pipeline.embedding.runtimes.runtime import Place
from clip_pipeline.errors import MissingRuntimeError, ModelError, PhotosError, ShapeError
from clip_pipeline.models.folder import load_model_folder
from clip_pipeline_tests.made.tiny_model import build_tiny_model, jpeg

CLASSES_CD = np.eye(12)[:3]


class Clock:
    """It goes on when a runtime works, so that a busy machine decides nothing."""

    now = 0.0


class Flat:
    """A runtime whose vector is the image itself, with a fault put in by hand."""

    def __init__(self, name: str, seconds: float = 0.001, fault=lambda vectors_ND: vectors_ND):
        self.name, self.seconds, self.fault = name, seconds, fault

    def encode_images(self, pixels_NCHW: torch.Tensor) -> np.ndarray:
        Clock.now += self.seconds or 0.001
        return self.fault(pixels_NCHW.flatten(1).numpy().copy())


def pixels(count: int, seed: int = 0) -> ReadyPixels:
    values = np.random.default_rng(seed).standard_normal((count, 3, 2, 2)).astype(np.float32)
    return ReadyPixels([f"p{row}" for row in range(count)], values)


def benchmark(count: int = 200) -> Benchmark:
    photos = pixels(count, seed=1)
    labels = (photos.pixels_NCHW.reshape(count, -1) @ CLASSES_CD.T).argmax(1)
    return Benchmark("hand", photos, labels.tolist(), CLASSES_CD)


def chosen(tmp_path, runtimes: dict, wanted: str = "auto", asked=benchmark, repeats: int = 3):
    def make(name, model, place):
        if isinstance(runtimes[name], str):
            raise MissingRuntimeError(runtimes[name])
        return runtimes[name]

    measuring = Measuring(tuple(runtimes), repeats=repeats, make=make, clock=lambda: Clock.now)
    return choose_runtime(None, pixels(70), asked, Place("cpu", 1, tmp_path), wanted, measuring)


def states(choice) -> dict[str, str]:
    return {one.runtime: one.status for one in choice.measurements}


def turned(vectors_ND: np.ndarray) -> np.ndarray:
    return vectors_ND + 0.2 * np.roll(vectors_ND, 1, axis=1)


def test_auto_takes_the_fastest_that_agrees(tmp_path):
    choice = chosen(tmp_path, {
        "torch_fp32": Flat("torch_fp32", 0.03), "slow": Flat("slow", 0.02), "fast": Flat("fast", 0.005),
        "wrong": Flat("wrong", 0.0, turned), "absent": "absent needs the package absent.",
    })  # fmt: skip
    assert choice.runtime == "fast"
    assert states(choice) == {
        "torch_fp32": "slower", "slow": "slower", "fast": "chosen", "wrong": "differs", "absent": "missing",
    }  # fmt: skip
    by_name = {one.runtime: one for one in choice.measurements}
    assert by_name["absent"].reason == "absent needs the package absent."
    assert "1st percentile of the cosines to fp32 is 0.9" in by_name["wrong"].reason
    assert by_name["wrong"].photos_per_second is None, "what differs is not timed"
    assert by_name["fast"].slowest <= by_name["fast"].photos_per_second <= by_name["fast"].fastest
    assert by_name["fast"].photos_per_second == pytest.approx(64 / 0.005)
    assert by_name["fast"].top1 == by_name["torch_fp32"].top1 == 1.0
    assert by_name["slow"].top1 is None, "slower ones are not scored"


def test_fp32_stays_where_it_is_the_fastest_and_no_benchmark_is_asked_for(tmp_path):
    def no_benchmark():
        raise AssertionError("nobody needs it")

    runtimes = {"torch_fp32": Flat("torch_fp32"), "slow": Flat("slow", 0.02)}
    assert chosen(tmp_path, runtimes, asked=no_benchmark).runtime == "torch_fp32"


def small_flip(vectors_ND: np.ndarray) -> np.ndarray:
    """All but the same vectors (cosine 0.9999), and half of the closely decided photos go to another class."""
    vectors_ND[:, :3] = vectors_ND[:, :3] * (1 + np.array([0.01, -0.01, 0.0]))
    return vectors_ND


def test_vectors_that_are_near_enough_must_score_the_same_too(tmp_path):
    """Twins of each photo in class 0 and 1 are told apart by less than the fault moves them."""
    photos = pixels(200, seed=3)
    photos.pixels_NCHW[:] *= 0.1
    flat = photos.pixels_NCHW.reshape(200, -1)
    flat[:, 0], flat[:, 1], flat[:, 2] = 1.0, 1.001, 0.0
    near = Benchmark("near", photos, [1] * 200, CLASSES_CD)
    runtimes = {"torch_fp32": Flat("torch_fp32", 0.01), "flip": Flat("flip", 0.0, small_flip)}
    choice = chosen(tmp_path, runtimes, asked=lambda: near)
    assert choice.runtime == "torch_fp32"
    flip = choice.measurements[1]
    assert flip.lowest_cosine > 0.999
    assert flip.status == "differs"
    assert flip.reason == "top-1 on near is 0.00%, and 100.00% with fp32; at most 0.3 points apart was expected."


def test_the_named_one_is_used_though_it_is_slow_and_refused_when_it_is_wrong(tmp_path):
    runtimes = {
        "torch_fp32": Flat("torch_fp32"), "slow": Flat("slow", 0.01), "wrong": Flat("wrong", 0, turned), "absent": "No absent here.",
    }  # fmt: skip
    choice = chosen(tmp_path, runtimes, wanted="slow")
    assert choice.runtime == "slow" and set(states(choice)) == {"torch_fp32", "slow"}
    assert choice.measurements[1].top1 == 1.0
    with pytest.raises(ModelError, match=r"wrong was asked for and does not agree .* embedding\.runtime=auto"):
        chosen(tmp_path, runtimes, wanted="wrong")
    with pytest.raises(MissingRuntimeError, match="No absent here"):
        chosen(tmp_path, runtimes, wanted="absent")


@pytest.mark.parametrize(
    "fault",
    [
        lambda rows: np.where(np.arange(len(rows))[:, None] == 0, np.nan, rows),
        lambda rows: rows * (np.arange(len(rows)) > 0)[:, None],
        lambda rows: rows[:, :-1],
        lambda rows: rows[::-1],
        lambda rows: -rows,
    ],
    ids=["NaN", "a zero vector", "fewer dimensions", "another order", "the other way round"],
)
def test_a_fault_in_the_vectors_is_a_refusal(monkeypatch, tmp_path, fault):
    runtimes = {"torch_fp32": Flat("torch_fp32", 0.01), "wrong": Flat("wrong", 0.0, fault)}
    choice = chosen(tmp_path, runtimes)
    assert choice.runtime == "torch_fp32" and states(choice)["wrong"] == "differs"


def test_the_percentile_is_the_first_and_lengths_do_not_matter():
    rows = np.random.default_rng(0).standard_normal((1000, 8)).astype(np.float32)
    assert lowest_cosine(rows * 7, rows) == pytest.approx(1)
    few, more = rows.copy(), rows.copy()
    few[:5] *= -1
    more[:15] *= -1
    assert lowest_cosine(few, rows) > 0.999 and lowest_cosine(more, rows) < -0.9


def test_top1_and_points():
    three = ReadyPixels(["a", "b", "c", "d"], np.zeros((4, 3, 2, 2), np.float32))
    scored = Benchmark("hand", three, [0, 1, 2, 0], CLASSES_CD)
    vectors = np.zeros((4, 12), np.float32)
    vectors[0, 0], vectors[1, 1], vectors[2, 0] = 1, 2, 3
    assert top1(vectors, scored) == 0.75, "the zero vector is a tie, which goes to the lower index"
    assert within_points(0.5, 0.503) and within_points(0.503, 0.5) and not within_points(0.5, 0.5031)
    with pytest.raises(ShapeError, match="4 photos and 3 labels"):
        Benchmark("hand", three, [0, 1, 2], CLASSES_CD)


def test_the_files_of_a_choice_hold_every_runtime(tmp_path):
    runtimes = {"torch_fp32": Flat("torch_fp32", 0.01), "fast": Flat("fast"), "wrong": Flat("wrong", 0, turned), "absent": "No."}  # fmt: skip
    choice = chosen(tmp_path, runtimes)
    names = write_choice(choice, tmp_path)
    assert all((tmp_path / name).stat().st_size > 0 for name in names)
    rows = list(csv.DictReader((tmp_path / "measurements.csv").open()))
    assert [row["runtime"] for row in rows] == list(runtimes)
    assert "photos/s, chosen" in choice.as_facts()["fast"]


# ---- the pixels


def test_ready_pixels_are_those_that_the_encoder_gives_to_a_runtime(tmp_path):
    from PIL import Image

    model, preprocess, _ = load_model_folder(build_tiny_model(tmp_path))
    contents = [(f"p{n}", jpeg((n, 90, 200 - n))) for n in range(70)] + [("broken", b"no photo")]
    ready = ready_pixels(model, preprocess, contents, len(contents), tmp_path / "pixels.npy")
    assert ready.ids == [name for name, _ in contents[:-1]]
    import io

    for row in (0, 63, 64, 69):
        whole = preprocess(Image.open(io.BytesIO(contents[row][1])))
        np.testing.assert_allclose(ready.rows(row, row + 1)[0].numpy(), whole.numpy(), atol=0.02)
    with pytest.raises(PhotosError, match="None of the photos to measure with"):
        ready_pixels(model, preprocess, [("broken", b"no photo")], 1, tmp_path / "other.npy")
