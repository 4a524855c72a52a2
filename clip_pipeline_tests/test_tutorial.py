"""The page docs/tutorial.md: its code runs, from the top to the end, on photos that are made here."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

PAGE = Path(__file__).resolve().parents[1] / "docs" / "tutorial.md"
COLOURS = {"red": (220, 40, 40), "blue": (40, 60, 220), "green": (40, 180, 60), "yellow": (230, 210, 40)}
SHAPES = ("disc", "square")
COUNT = 96


def draw(number: int) -> tuple[Image.Image, str, str]:
    """A shape on a grey ground, what it is called, and a caption of it; the names take turns."""
    random = np.random.default_rng(number)
    colour = list(COLOURS)[number % len(COLOURS)]
    shape = SHAPES[number // len(COLOURS) % len(SHAPES)]
    size, side = (("small", 30), ("large", 46))[int(random.integers(2))]
    place, left = (("left", 2), ("right", 70 - side))[int(random.integers(2))]
    height, top = (("top", 2), ("bottom", 70 - side))[int(random.integers(2))]
    image = Image.new("RGB", (72, 72), tuple(random.integers(90, 160, 3).tolist()))
    pencil = ImageDraw.Draw(image)
    (pencil.ellipse if shape == "disc" else pencil.rectangle)(
        (left, top, left + side, top + side), fill=COLOURS[colour]
    )
    return image, f"{colour} {shape}", f"a {size} {colour} {shape} at the {height} {place}"


def code_blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def with_photos(tmp_path, monkeypatch) -> Path:
    (tmp_path / "photos").mkdir()
    rows = ["file,caption"]
    for number in range(COUNT):
        image, _, caption = draw(number)
        image.save(tmp_path / "photos" / f"{number:03d}.png")
        rows.append(f"{number:03d}.png,{caption}")
    (tmp_path / "photos" / "captions.csv").write_text("\n".join(rows) + "\n")
    for number in range(COUNT, 2 * COUNT):
        image, name, _ = draw(number)
        (tmp_path / "shapes" / name).mkdir(parents=True, exist_ok=True)
        image.save(tmp_path / "shapes" / name / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_code_of_the_tutorial_runs_and_gives_what_it_says(with_photos, capsys):
    names: dict = {}
    for block in code_blocks():
        exec(compile(block, str(PAGE), "exec"), names)
    assert capsys.readouterr().out == ""
    assert names["vectors_ND"].shape == (COUNT, 32) and names["done"].failed == 0
    assert len(names["nearest"]) == 3 and set(names["nearest"]) <= set(names["names"])
    assert names["scores"].loc["top1", "n"] == COUNT
    assert names["scores"].loc["top1", "low"] > names["scores"].loc["top1", "chance"] == 1 / 8
    assert names["linear"]["value"] > 0.25
    assert names["label"] in names["labels"] and 0.5 <= names["probability"] <= 1
    assert "nowhere.png cannot be read" in names["sentence"]


def test_the_tutorial_is_about_twenty_lines():
    lines = [line for block in code_blocks() for line in block.splitlines() if line.strip()]
    assert len(lines) <= 26
