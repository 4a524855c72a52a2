"""What the comparison of embedding prints, and the photos it embeds."""

from __future__ import annotations

import importlib
import io
import sys
from pathlib import Path

import pytest
from PIL import Image

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def embed(monkeypatch):
    """benchmarks/embed.py as a module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("embed")
    for name in ("embed", "download"):
        sys.modules.pop(name, None)


def test_the_shards_hold_every_photo_once_and_are_made_once(embed, tmp_path):
    folder = embed.make_shards(19, tmp_path / "absent.tar", tmp_path)
    assert len(list(folder.glob("*.tar"))) == embed.SHARDS
    photos = list(embed._jpegs(folder))
    assert len(photos) == 19 and len(set(photos)) == 19
    assert Image.open(io.BytesIO(photos[0])).size == (200, 150)
    written = (folder / "00000.tar").stat().st_mtime_ns
    assert embed.make_shards(19, tmp_path / "absent.tar", tmp_path) == folder
    assert (folder / "00000.tar").stat().st_mtime_ns == written


def test_photos_are_enlarged_when_told(embed, tmp_path):
    folder = embed.make_shards(8, tmp_path / "absent.tar", tmp_path, side=320)
    assert {Image.open(io.BytesIO(photo)).size for photo in embed._jpegs(folder)} == {(320, 240)}


def test_drawn_photos_are_about_as_much_work_as_real_ones(embed, shared_data):
    real = [len(photo) for photo in list(embed._jpegs(shared_data("flickr8k_orig_1000.tar")))[:50]]
    drawn = [len(embed._drawn(seed)) for seed in range(20)]
    assert 0.3 < (sum(drawn) / len(drawn)) / (sum(real) / len(real)) < 3


def test_the_report_says_what_was_met(embed, capsys):
    runs = {
        "plain": [{"rate": 10.0, "memory": 900.0}] * 3,
        "ours": [{"rate": rate, "memory": 700.0} for rate in (39.0, 41.0, 60.0)],
        "alone": [{"rate": 60.0, "memory": 700.0}],
        "clip_retrieval": [{"rate": 8.2, "memory": 2000.0}],
    }
    embed.report(runs)
    said = capsys.readouterr().out
    assert "ours / plain: 4.10 times the photos a second (wanted 4: met)" in said
    assert "ours / alone: 0.68 times the photos a second (wanted 0.7: NOT met)" in said
    assert "ours / clip_retrieval: 5.00 times the photos a second\n" in said
