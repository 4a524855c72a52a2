"""How much of an image shows text (scanned pages, slides, screenshots, memes), found without reading a letter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

SHORTER_SIDE = 256
"""Larger images are looked at in this size, in pixels. Smaller ones are not enlarged: that adds no strokes."""

WINDOW, STEP = 64, 32
"""Lines of text are looked for in windows of 64 columns, one every 32: the edges in a row of one are the bits of a number."""

EDGE = 28
"""Difference between neighbouring pixels, of 255, that is the edge of a stroke. Small print that was scaled down is gray."""

MIN_EDGES = 7
MIN_MEAN_EDGES = 14
"""Of 64 columns: lines of print have 17 to 45 edges a row; 97 % of the bands between two gaps in photos fewer than 30, half of
them fewer than 11 (page, slide and meme against 150 photos of Flickr8k, 2026-11-21)."""

MIN_CHANGE, MAX_CHANGE = 0.15, 1.2
"""Edges that stand elsewhere than in the row above, as a share of the edges. Letters: 0.2 to 1.1, by size. Windows, fences and
stripes stay near 0, grain and leaves lie near 1 and beyond."""

LOWEST_LINE, TALLEST_LINE = 2, 44
BORDER = 3  # rows without edges above and below a window
GAP_REACH = np.arange(1, BORDER + 1)[:, None]
MAX_IN_A_GAP = 1
"""A line ends above and below at a row with hardly any edge, at most three rows off: between lies what tops and tails letters."""

SAME_LINE = np.arange(-2, 3)[:, None]
"""A line goes on in the next window at the same height, give or take two rows. Tufts of grass do not."""


def text_share(image: Image.Image) -> float:
    """The share of the image's area, 0 to 1, that shows lines of text.

    A line of text is a low band of rows with many edges from left to right, between rows with hardly any; its edges stand
    in other columns from row to row, and it goes on to the side at the same height. Takes RGB or gray images of any size;
    those of 64 pixels a side or fewer give 0.
    """
    edges = _edges(image)
    if edges is None:
        return 0.0
    windows, rows = edges.shape
    flat = edges.ravel()
    counts = np.bitwise_count(flat)
    inked = counts >= MIN_EDGES
    turns = np.flatnonzero(inked[1:] != inked[:-1]) + 1
    if not len(turns):
        return 0.0
    starts, ends = turns[::2], turns[1::2]
    heights = ends - starts
    fits = (heights >= LOWEST_LINE) & (heights <= TALLEST_LINE)
    fits &= np.add.reduceat(counts, turns, dtype=np.int64)[::2] >= MIN_MEAN_EDGES * heights
    starts, ends = starts[fits], ends[fits]
    fits = np.maximum(counts[starts - GAP_REACH].min(axis=0), counts[ends - 1 + GAP_REACH].min(axis=0)) <= MAX_IN_A_GAP
    starts, ends = starts[fits], ends[fits]
    if not len(starts):
        return 0.0  # here, for nearly all photos
    change = _change(flat, counts, starts, ends)
    fits = (change >= MIN_CHANGE) & (change <= MAX_CHANGE)
    starts, heights = starts[fits], (ends - starts)[fits]
    longer = _goes_on(starts, heights, rows, len(flat))
    return _area(starts[longer], heights[longer], windows, rows)


def _edges(image: Image.Image) -> np.ndarray | None:
    """(windows, rows + 6) uint64: in each row of a window, its edges as bits; three rows without any above and below."""
    shorter = min(image.size)
    if shorter <= WINDOW:
        return None
    gray = image if image.mode == "L" else image.convert("L")
    if shorter > SHORTER_SIDE:
        scale = SHORTER_SIDE / shorter
        gray = gray.resize((round(gray.width * scale), round(gray.height * scale)), _box())
    pixels = np.asarray(gray) >> 1  # in half steps a difference of two bytes, turned around at 256, stays unambiguous
    width = (gray.width - 1) // STEP * STEP
    differences = pixels[:, 1 : width + 1] - pixels[:, :width]
    differences += EDGE // 2
    bits = np.packbits(differences > EDGE, axis=1)
    halves = bits.view(np.uint32).astype(np.uint64)
    edges = np.zeros((halves.shape[1] - 1, gray.height + 2 * BORDER), np.uint64)
    edges[:, BORDER:-BORDER] = (halves[:, :-1] << np.uint64(STEP) | halves[:, 1:]).T
    return edges


def _box() -> int:
    from PIL import Image

    return Image.Resampling.BOX


def _change(flat: np.ndarray, counts: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Edges of the lines that stand elsewhere than in the row above, as a share of the edges below the first row."""
    inside = np.stack([starts + 1, ends], axis=1).ravel()
    changed = np.add.reduceat(np.bitwise_count(flat[1:] ^ flat[:-1]), inside - 1, dtype=np.int64)[::2]
    return changed / np.add.reduceat(counts, inside, dtype=np.int64)[::2]


def _goes_on(starts: np.ndarray, heights: np.ndarray, step: int, size: int) -> np.ndarray:
    """Whether a line has one of about the same height beside it, in the window before or after."""
    height_at = np.zeros(size + 1, np.int64)  # the last place is for neighbours outside
    height_at[starts] = heights
    found = np.zeros(len(starts), bool)
    for side in (-step, step):
        places = starts + side + SAME_LINE
        beside = height_at[np.where((places >= 0) & (places < size), places, size)]
        found |= ((beside > 0) & (np.abs(beside - heights) <= 3)).any(axis=0)
    return found


def _area(starts: np.ndarray, heights: np.ndarray, windows: int, rows: int) -> float:
    """The share that lines take, their height above and below with them: the space between lines belongs to a text."""
    margins = np.maximum(heights, 2)
    tops = starts // rows * rows
    marks = np.zeros(windows * rows + 1, np.int64)
    np.add.at(marks, np.maximum(starts - margins, tops + BORDER), 1)
    np.add.at(marks, np.minimum(starts + heights + margins, tops + rows - BORDER), -1)
    return float(np.count_nonzero(np.cumsum(marks)) / (windows * (rows - 2 * BORDER)))
