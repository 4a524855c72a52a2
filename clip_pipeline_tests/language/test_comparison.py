"""Corpora and comparisons: baselines by hand, the sentence over the figure, counted arithmetic."""

from __future__ import annotations

import bz2
import json

import numpy as np
import pytest
import torch
from PIL import Image

from clip_pipeline.language.alphabet import ids_of, text_of
from clip_pipeline.language.comparison import flops_per_character, table_text, verdict
from clip_pipeline.language.corpus import read_corpus, write_corpus
from clip_pipeline.language.counts import CountModel
from clip_pipeline.language.figures import draw_bits, draw_segments
from clip_pipeline.language.model import ModelForm, build_model
from clip_pipeline.language.scoring import segment_starts

TEXT = b" a cat and a dog and the cat ran" * 40


def test_a_corpus_has_the_bits_of_its_tables_and_compressors(tmp_path):
    facts = write_corpus(TEXT, tmp_path)
    corpus = read_corpus(tmp_path)
    assert corpus.text == TEXT and not facts["is text8"]
    parts = {name: TEXT[slice(*facts["splits"][name])] for name in ("train", "validation", "test")}
    assert b"".join(parts.values()) == TEXT
    for name, part in parts.items():
        assert text_of(corpus.split(name)).encode() == part
    ids = {name: ids_of(part).astype(np.int64) for name, part in parts.items()}
    for order in (0, 3):
        expected = CountModel(ids["train"], order, 27).bits(ids["test"]).mean()
        assert corpus.baselines[f"counts@{order}"]["test"] == pytest.approx(expected)
    assert corpus.baselines["bz2"]["test"] == 8 * len(bz2.compress(parts["test"])) / len(parts["test"])
    assert corpus.baselines["uniform"]["test"] == pytest.approx(np.log2(27))
    best = min(range(8), key=lambda order: corpus.baselines[f"counts@{order}"]["validation"])
    assert corpus.best_table == f"counts@{best}" and corpus.table().order == best


def rows(bits: float, away: tuple[float, float | None, float | None]) -> list[dict]:
    """A table of order 3 that is best on validation, one of order 5 that is best on test, and a model."""
    table = [
        {"key": f"counts@{order}", "name": f"counts@{order}", "split": split, "bits_per_character": value, "seed": None}
        for order, split, value in ((3, "validation", 2.0), (3, "test", 2.1), (5, "validation", 2.2), (5, "test", 1.9))
    ]
    model = {"key": "router@4-0", "name": "router@4", "split": "test", "bits_per_character": bits, "seed": 0}
    return [
        *table,
        model | dict(zip(("less_than_table", "less_than_table_low", "less_than_table_high"), away, strict=True)),
    ]


def test_the_sentence_over_the_figure_says_whether_a_table_is_beaten():
    assert verdict(rows(1.8, (0.3, 0.25, 0.35))) == (
        "router@4-0 needs 1.800 bits and the table of order 3 2.100: 0.300 (0.250 to 0.350) less than a table that only counts."
    )
    assert verdict(rows(2.5, (-0.4, -0.45, -0.35))) == (
        "A table that only counts beats every model here: the best, router@4-0, needs 2.500 bits and the table of order 3 2.100, "
        "0.400 (0.350 to 0.450) more."
    )
    assert "no difference that the text can show (-0.010 to +0.020)" in verdict(rows(2.09, (0.01, -0.01, 0.02)))
    assert "0.400 bits more than the table of order 3; the text is too short" in verdict(rows(2.5, (-0.4, None, None)))
    assert "no model was trained" in verdict(rows(2.5, (-0.4, None, None))[:-1])


def test_figures_are_images_and_the_table_is_sorted_by_bits(tmp_path):
    model = {"low": 2.4, "high": 2.6, "shortening": 4.2, "window": 32, "parameters": 1000, "steps": 10}
    whole = [*rows(2.5, (-0.4, -0.45, -0.35))]
    whole[-1] |= model
    draw_bits(whole, verdict(whole), tmp_path / "bits.png")
    draw_segments("a cat and a dog", {"fixed@4-0": [place % 4 == 3 for place in range(15)]}, tmp_path / "segments.png")
    seeds = [
        model
        | {"key": f"router@4-{seed}", "name": "router@4", "split": "test", "bits_per_character": 2.1, "seed": seed}
        for seed in range(3)
    ]
    draw_bits([*whole[:-1], *seeds], "three seeds", tmp_path / "seeds.png")
    for name in ("bits.png", "segments.png", "seeds.png"):
        with Image.open(tmp_path / name) as pixels:
            assert np.asarray(pixels).std() > 10, name
    assert [line.split()[0] for line in table_text(whole).splitlines()] == [
        "model",
        "counts@5",
        "counts@3",
        "router@4-0",
    ]


def test_counted_arithmetic_is_that_of_the_layers():
    """Two for a multiplication with an addition; attention whole, although half of it is masked."""
    width, length = 16, 64
    model = build_model(ModelForm("none", layers=(0, 0, 1), width=width, heads=2)).eval()
    projections = 12 * width * width + 27 * width
    attention = 2 * length * width
    assert flops_per_character(model, np.zeros(length, np.int64)) == 2 * (projections + attention)
    torch.manual_seed(0)
    pooled = build_model(ModelForm("whitespace", layers=(1, 1, 1), width=width, heads=2)).eval()
    few, many = np.ones(length, np.int64), np.zeros(length, np.int64)
    assert flops_per_character(pooled, few) < flops_per_character(pooled, many), "by the boundaries that are found"


def test_segments_begin_after_what_closes_them_and_at_what_opens_them():
    torch.manual_seed(0)
    closing = build_model(ModelForm("fixed", 3.0, (1, 1, 1), 16, 2)).eval()
    assert np.flatnonzero(segment_starts(closing, np.zeros(8, np.int64))).tolist() == [3, 6]
    opening = build_model(ModelForm("router", 3.0, (1, 1, 1), 16, 2)).eval()
    ids = np.random.default_rng(0).integers(0, 27, 200)
    with torch.no_grad():
        hard = opening(torch.from_numpy(ids)[None]).boundaries.hard_BL[0].numpy()
    assert segment_starts(opening, ids)[1:].tolist() == hard[1:].tolist() and hard[1:].any()
    json.dumps(segment_starts(opening, ids).tolist())
