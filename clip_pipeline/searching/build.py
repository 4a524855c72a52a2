"""An index of photos: their vectors as codes, what captions are to each of them, what is known of them, and what a score means."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.searching.background import HIGH, background_statistics, drawn_captions
from clip_pipeline.searching.calibration import EmbedTexts, IndexedPhotos, calibrated
from clip_pipeline.searching.codes import quantise
from clip_pipeline.searching.facts import TRAINED, word_table, write_tables

if TYPE_CHECKING:
    import pyarrow as pa

VECTORS_FILE, CODES_FILE, SCALES_FILE = "vectors.npy", "codes.npy", "scales.npy"
BACKGROUND_FILE, MEANS_FILE, CAPTIONS_FILE = "background.npy", "means.npy", "captions.npy"
CALIBRATION_FILE, ABOUT_FILE = "calibration.json", "index.json"
IMAGES, TEXTS = range(2)
"""The rows of the means: of all photos, and of the captions."""
KEPT_CAPTIONS = 50
"""Whose vectors are kept, for a check of the answers without the model."""
VERSION = 1
"""Of the form of the folder."""


def write_index(
    folder: Path,
    vectors_ND: np.ndarray,
    facts: pa.Table,
    embed_texts: EmbedTexts,
    about: Mapping[str, str],
    *,
    captions: int,
    phrases: int,
    stop_words: frozenset[str],
    seed: int,
) -> dict[str, Any]:
    """Writes the files of an index into `folder` and returns its figures.

    vectors_ND: unit vectors by row, as `facts` (SEARCH_FACTS) has them; they are stored as float16. about: of the vectors, with the model's sha256.
    captions: how many of the training stand for all. phrases: for the calibration. The same photos, model and settings give the same bytes.
    """

    def embed(texts: Sequence[str]) -> np.ndarray:
        # the last bits of float32 depend on the number of threads; most of that disappears
        return np.asarray(embed_texts(texts), np.float16).astype(np.float32)

    vectors_ND = np.ascontiguousarray(vectors_ND, np.float16)
    codes_ND, scales_N = quantise(vectors_ND)
    of_photos = facts["captions"].to_pylist()
    splits = facts["split"].to_pylist()
    trained = [text for texts, split in zip(of_photos, splits, strict=True) if split == TRAINED for text in texts]
    background = drawn_captions(trained or [text for texts in of_photos for text in texts], captions, seed)
    captions_MD = embed(background) if background else np.zeros((0, vectors_ND.shape[1]), np.float32)
    statistics_N3 = np.zeros(
        (len(codes_ND), HIGH + 1), np.float32
    )  # where there are no captions a score is the cosine itself
    if background:
        statistics_N3 = background_statistics(codes_ND, scales_N, captions_MD)
    photos = IndexedPhotos(codes_ND, scales_N, statistics_N3, of_photos, splits)
    calibration = calibrated(photos, embed, _searched_words(facts, stop_words), phrases, seed)
    write_tables(facts, word_table(facts), folder)
    np.save(folder / VECTORS_FILE, vectors_ND)
    np.save(folder / CODES_FILE, codes_ND)
    np.save(folder / SCALES_FILE, scales_N)
    np.save(folder / BACKGROUND_FILE, statistics_N3)
    np.save(folder / CAPTIONS_FILE, captions_MD[:KEPT_CAPTIONS])
    text_mean_D = captions_MD.sum(axis=0, dtype=np.float64) / max(len(captions_MD), 1)
    np.save(folder / MEANS_FILE, np.stack([vectors_ND.mean(axis=0, dtype=np.float64), text_mean_D]).astype(np.float32))
    known = {
        "scoring": calibration.scoring.value,
        "curves": {
            str(length): {
                "scores": [round(score, 6) for score in curve.scores],
                "log_ratios": [round(ratio, 4) for ratio in curve.log_ratios],
                "share": curve.share,
            }
            for length, curve in calibration.curves.items()
        },
        "false_alarms": {str(length): score for length, score in calibration.false_alarms.items()},
        "figures": calibration.figures,
    }
    _write_json(folder / CALIBRATION_FILE, known)
    described: dict[str, Any] = {"version": VERSION, "photos": len(vectors_ND), "dimensions": int(vectors_ND.shape[1])}
    _write_json(
        folder / ABOUT_FILE, described | {"captions": len(background), "stop_words": sorted(stop_words), **about}
    )
    return {**calibration.figures, "background captions": len(background)}


def _searched_words(facts: pa.Table, stop_words: frozenset[str]) -> Callable[[str], bool]:
    """Which words phrases are made of: those that photos were found for, where words were what they were found by, else all but stop words.
    In captions stand words too that nobody searches for, as the snapshot of "A snapshot: a red cup"."""
    found_for = {word for words in facts["words"].to_pylist() for word in words} - stop_words
    return found_for.__contains__ if found_for else lambda word: word not in stop_words


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n", encoding="utf-8")
