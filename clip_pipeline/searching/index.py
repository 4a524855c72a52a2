"""An index on the disk, opened for searching: nothing of it is read before it is asked for, and none of it is changed."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from clip_pipeline.errors import InputError
from clip_pipeline.searching.build import (
    ABOUT_FILE,
    BACKGROUND_FILE,
    CALIBRATION_FILE,
    CAPTIONS_FILE,
    CODES_FILE,
    MEANS_FILE,
    SCALES_FILE,
    VECTORS_FILE,
    VERSION,
)
from clip_pipeline.searching.facts import FACTS_FILE, Facts
from clip_pipeline.searching.relevance import Calibration, Curve, Scoring

SHAPES = {VECTORS_FILE: 2, CODES_FILE: 2, SCALES_FILE: 1, BACKGROUND_FILE: 2}
MAX_JSON = 16_000_000
"""Bytes; a calibration has a few thousand."""


class SearchIndex:
    """The files that `write_index` wrote, memory-mapped. Any number of threads may search at once.

    Raises InputError where the folder is no index, or one of which parts do not belong together.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self.about = self._json(ABOUT_FILE)
        if self.about.get("version") != VERSION:
            raise InputError(
                f"{self.folder} is a search index of version {self.about.get('version')}, this program reads {VERSION}. Build it again."
            )
        arrays = {name: self._array(name, dimensions) for name, dimensions in SHAPES.items()}
        self.vectors_ND, self.codes_ND = arrays[VECTORS_FILE], arrays[CODES_FILE]
        self.scales_N, self.background_N3 = arrays[SCALES_FILE], arrays[BACKGROUND_FILE]
        self.means_2D, self.captions_QD = self._array(MEANS_FILE, 2), self._array(CAPTIONS_FILE, 2)
        if not (self.folder / FACTS_FILE).is_file():
            raise self._foreign(FACTS_FILE)
        lengths = {len(array) for array in arrays.values()} | {len(self.facts)}
        if len(lengths) != 1:
            raise InputError(
                f"The files of the search index {self.folder} are of {len(lengths)} different numbers of photos. Build it again."
            )

    def __len__(self) -> int:
        return len(self.codes_ND)

    @cached_property
    def facts(self) -> Facts:
        return Facts(self.folder)

    @cached_property
    def stop_words(self) -> frozenset[str]:
        return frozenset(self.about.get("stop_words", ()))

    @cached_property
    def calibration(self) -> Calibration:
        known = self._json(CALIBRATION_FILE)
        alarms = {int(length): float(score) for length, score in known["false_alarms"].items()}
        curves = {
            int(length): Curve(tuple(curve["scores"]), tuple(curve["log_ratios"]), float(curve["share"]))
            for length, curve in known["curves"].items()
        }
        return Calibration(Scoring(known["scoring"]), curves, alarms, known["figures"])

    def _json(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        if not path.is_file():
            raise self._foreign(name)
        try:
            found = json.loads(path.read_bytes()[:MAX_JSON])
        except ValueError as error:
            raise InputError(f"{path} is damaged ({error}). Build the index again.") from error
        return found

    def _array(self, name: str, dimensions: int) -> np.ndarray:
        path = self.folder / name
        if not path.is_file():
            raise self._foreign(name)
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except ValueError as error:
            raise InputError(f"{path} is damaged ({error}). Build the index again.") from error
        if array.ndim != dimensions:
            raise InputError(
                f"{path} has the shape {array.shape}, expected {dimensions} dimensions. Build the index again."
            )
        return array

    def _foreign(self, name: str) -> InputError:
        return InputError(
            f"{self.folder} is no search index: it has no {name}. An index is made by: clip-pipeline run --select +search_index"
        )
