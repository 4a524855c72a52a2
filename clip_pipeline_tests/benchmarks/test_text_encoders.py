"""benchmarks/text_encoders.py and text_recall.py compare text encoders on the same captions, as written and mistyped."""

from __future__ import annotations

import importlib
import random
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("text_encoders")
    for name in ("text_encoders", "text_recall", "train"):
        sys.modules.pop(name, None)


def test_configurations_differ_in_the_text_encoder_alone(benchmark):
    configs = {kind: benchmark.config_of(kind) for kind in benchmark.KINDS}
    assert len({str((config["vision_cfg"], config["embed_dim"])) for config in configs.values()}) == 1
    sizes = {
        (one["text_cfg"]["layers"], one["text_cfg"]["width"], one["text_cfg"]["heads"]) for one in configs.values()
    }
    assert sizes == {(3, 192, 3)}
    assert [config["text_cfg"].get("token_pooling", {}).get("kind") for config in configs.values()] == [
        None, "whitespace", "whitespace", "whitespace", "router",
    ]  # fmt: skip


def is_one_mistake(word: str, wrong: str) -> bool:
    swapped = {word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1)}
    dropped = {word[:at] + word[at + 1 :] for at in range(len(word))}
    doubled = {word[:at] + word[at] + word[at:] for at in range(len(word))}
    return wrong in swapped | dropped | doubled


def test_a_tenth_of_the_words_has_one_mistake_each_and_short_ones_none(benchmark):
    text = " ".join(["paint", "abcdefgh", "of", "a", "dog"] * 2000)
    wrong = benchmark.mistyped(text, 0.1, random.Random(0)).split(" ")
    pairs = list(zip(text.split(" "), wrong, strict=True))
    changed = [(one, two) for one, two in pairs if one != two]
    assert all(len(one) > 2 and is_one_mistake(one, two) for one, two in changed)
    assert 0.09 < len(changed) / 6000 < 0.11
    lengths = [sum(len(two) - len(one) == more for one, two in changed) / len(changed) for more in (-1, 0, 1)]
    assert all(0.29 < share < 0.38 for share in lengths), "each kind of mistake in a third"
    assert benchmark.mistyped(text, 0.1, random.Random(0)).split(" ") == wrong


def test_all_models_see_the_same_mistakes(benchmark):
    photos = [
        benchmark.Photo(f"{n}.jpg", b"", ("a dog runs over the grass", "some people on a street")) for n in range(50)
    ]
    one, two = benchmark.with_mistyped(photos, 0.5), benchmark.with_mistyped(photos, 0.5)
    assert one == two != photos
    assert [photo.name for photo in one] == [photo.name for photo in photos]


def test_a_ratio_is_the_median_of_the_ratios_of_the_rounds(benchmark):
    found = {measure: {"bpe": [1.0, 2.0, 4.0], "bytes": [1.5, 2.0, 8.0]} for measure in benchmark.MEASURES}
    line = benchmark.times_table(found, "bpe").splitlines()[-1]
    assert line == "| bytes | 2.000, 1.50× (1.500 to 8.000) | 2.000, 1.50× (1.500 to 8.000) |"


def test_each_round_takes_every_encoder_once_and_the_first_does_not_count(benchmark):
    taken: list[str] = []
    works = {
        kind: {measure: lambda kind=kind: taken.append(kind) for measure in benchmark.MEASURES}
        for kind in ("bpe", "bytes")
    }
    found = benchmark.measured(works, 3)
    assert {kind: len(times) for kind, times in found["step bf16"].items()} == {"bpe": 3, "bytes": 3}
    assert len(taken) == 16


def test_differences_are_paired_by_photo_and_may_be_below_nought(benchmark):
    right, wrong = np.array([1.0, 0.8, 0.6, 0.4] * 25), np.array([0.9, 0.9, 0.5, 0.2] * 25)
    found = {"text → image": {kind: {"as written": [right], "mistyped": [wrong]} for kind in ("bpe", "bytes")}}
    lines = benchmark.scores_table(found, ["bpe", "bytes"]).splitlines()
    assert lines[-1].startswith("| text → image, bytes | 70.0 (") and lines[-1].endswith("| 0.0 (0.0 to 0.0) |")
    mean, low, high = benchmark.interval(wrong - right)
    assert (round(mean, 1), low < mean < high < 0) == (-7.5, True)


@pytest.mark.parametrize("kind", ["bpe", "bytes"])
def test_a_text_encoder_learns_to_meet_fixed_vectors(benchmark, kind, tmp_path, capsys):
    recall = importlib.import_module("text_recall")
    names = ["red", "green", "blue", "yellow", "black", "white", "brown", "orange"]
    photos = [benchmark.Photo(f"{n}.jpg", b"", (f"a {names[n % 8]} cup", f"{names[n % 8]} paint")) for n in range(128)]
    vectors = np.eye(8, 32, dtype=np.float32)[np.arange(128) % 8]
    options = SimpleNamespace(steps=16, encoder="open_clip")
    vectors_of = recall.trained(kind, photos, vectors, options, 0, tmp_path)
    assert f"{kind}, fold 0: 16 steps" in capsys.readouterr().out
    found = vectors_of([f"a {name} cup" for name in names]) @ np.eye(8, 32, dtype=np.float32).T
    assert found.shape == (8, 8) and (found.argmax(1) == np.arange(8)).mean() > 0.7
