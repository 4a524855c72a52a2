"""The share of an image that shows text."""

from __future__ import annotations

import io
import tarfile
import time

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from clip_pipeline.images.download.text_share import text_share
from clip_pipeline_tests.images.photos import scene

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "while", "seven", "wizards", "boxed"]


def line(words: int, seed: int) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, words))


def small(image: Image.Image, shorter: int = 256) -> Image.Image:
    scale = shorter / min(image.size)
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)


def page(points: int, ink: str = "black", paper: str = "white") -> Image.Image:
    image = Image.new("RGB", (1000, 1400), paper)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(points)
    for row, y in enumerate(range(80, 1320, int(points * 1.5))):
        draw.text((80, y), line(int(840 / (points * 2.7)), row), fill=ink, font=font)
    return small(image)


def slide() -> Image.Image:
    image = Image.new("RGB", (1024, 768), (20, 40, 90))
    draw = ImageDraw.Draw(image)
    draw.text((60, 60), "Results of the year", fill="white", font=ImageFont.load_default(60))
    for row in range(7):
        draw.text((80, 180 + row * 75), f"- {line(7, row)}", fill="white", font=ImageFont.load_default(36))
    return small(image)


def screenshot() -> Image.Image:
    image = Image.new("RGB", (1280, 800), (245, 245, 245))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(20)
    draw.rectangle((0, 60, 260, 800), fill=(225, 228, 235))
    for row in range(22):
        draw.text((20, 90 + row * 32), line(3, row), fill=(60, 60, 60), font=font)
        draw.text((290, 90 + row * 32), line(16, row + 50), fill=(30, 30, 30), font=font)
    return small(image)


def meme() -> Image.Image:
    image = scene(3, size=(800, 600))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(60)
    for y, text in ((20, "WHEN YOU FINALLY SEE"), (510, "THE END OF IT ALL")):
        draw.text((60, y), text, fill="white", font=font, stroke_width=3, stroke_fill="black")
    return small(image)


TEXTS = {
    "small print": (page(18), 0.5),
    "a page": (page(26), 0.5),
    "large print": (page(44), 0.4),
    "white on black": (page(26, "white", "black"), 0.5),
    "gray on yellow": (page(26, "#3c3228", "#c8be96"), 0.5),
    "a page at 128 pixels": (small(page(34), 128), 0.4),
    "a page at 700 pixels": (small(page(34), 700), 0.4),
    "a slide": (slide(), 0.15),
    "a screenshot": (screenshot(), 0.4),
    "a meme": (meme(), 0.15),
}


@pytest.mark.parametrize("name", TEXTS)
def test_images_of_text_have_a_large_share(name):
    image, least = TEXTS[name]
    assert least < text_share(image) <= 1
    assert text_share(image.convert("L")) == pytest.approx(text_share(image), abs=0.01)


def gray(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).convert("RGB")


def windows(wide: int, high: int) -> Image.Image:
    """The front of a building: dark panes in rows and columns on a light wall."""
    y, x = np.mgrid[:256, :341]
    return gray(np.where((y % high > 4) & (x % wide > 3), 50, 180))


def bricks(wide: int, high: int) -> Image.Image:
    y, x = np.mgrid[:256, :341]
    return gray(np.where((y % high < 1) | ((x + y // high % 2 * wide // 2) % wide < 1), 200, 110))


def stripes(period: int) -> np.ndarray:
    return np.where(np.mgrid[:256, :341][1] // period % 2, 255, 0)


def foliage(blur: float) -> Image.Image:
    noise = np.random.default_rng(1).integers(0, 256, (256, 341, 3), np.uint8)
    return Image.fromarray(noise).filter(ImageFilter.GaussianBlur(blur))


def meadow() -> Image.Image:
    pixels = np.asarray(scene(2, size=(341, 256))).astype(int).copy()
    pixels[170:] += np.random.default_rng(2).integers(-90, 90, (86, 341, 1))
    return gray(pixels)


SCENES = {
    **{f"scene {seed}": scene(seed, size=(341, 256)) for seed in range(4)},
    **{f"windows {wide} by {high}": windows(wide, high) for wide, high in ((10, 14), (16, 20), (24, 30), (8, 8))},
    **{f"bricks {wide} by {high}": bricks(wide, high) for wide, high in ((12, 6), (16, 8), (32, 16))},
    **{f"stripes of {period}": gray(stripes(period)) for period in (1, 2, 4, 8, 16)},
    **{f"lying stripes of {period}": gray(stripes(period).T) for period in (1, 2, 4, 8, 16)},
    **{f"checks of {period}": gray(stripes(period) ^ np.where(np.mgrid[:256, :341][0] // period % 2, 255, 0)) for period in (2, 4, 8)},
    **{f"foliage {blur}": foliage(blur) for blur in (0, 0.5, 1, 2)},
    "meadow": meadow(),
    "white": Image.new("RGB", (341, 256), "white"),
}  # fmt: skip


@pytest.mark.parametrize("name", SCENES)
def test_scenes_patterns_and_leaves_have_none(name):
    assert text_share(SCENES[name]) < 0.02


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (65, 65), (3000, 10), (66, 900), (97, 65)])
def test_images_of_any_size_have_a_share(size):
    noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)
    assert 0 <= text_share(Image.fromarray(noise)) <= 1


def test_the_whole_of_a_image_is_at_most_one():
    image = Image.new("L", (256, 256), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(8)
    for row, y in enumerate(range(-2, 256, 9)):
        draw.text((-3, y), line(30, row), fill="black", font=font)
    assert 0.8 < text_share(image) <= 1


def test_it_costs_little_beside_decoding():
    images = [SCENES["scene 1"], SCENES["foliage 1"], SCENES["meadow"], TEXTS["a page"][0]]
    seconds = []
    for _ in range(5):
        began = time.process_time()
        for _ in range(5):
            for image in images:
                text_share(image)
        seconds.append((time.process_time() - began) / 5 / len(images))
    assert min(seconds) < 1e-3  # 0.13 ms, measured 2026-11-21 with others on the machine


def test_real_photos_show_little_text(shared_data):
    shares = []
    with tarfile.open(shared_data("flickr8k_orig_1000.tar")) as tar:
        for entry in tar:
            if entry.name.endswith(".jpg") and len(shares) < 200:
                content = tar.extractfile(entry).read()
                shares.append(text_share(Image.open(io.BytesIO(content))))
    assert np.quantile(shares, 0.97) < 0.1  # of all 1,000 photos 6 lie above 0.1 and 3 above 0.2
