"""The search itself: a query's terms into one vector, the scores of all photos, and the best of them with a word for each.

Photos and texts of a CLIP lie in two cones, so that sums of both are taken less the mean of their own kind (GR-CLIP, arXiv 2507.19054), texts
weighing twice. What is unwanted is a veto only of photos that fit it better than four in five do: plain subtraction loses what is wanted too.
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from pathlib import Path
from typing import Protocol

import numpy as np

from clip_pipeline.errors import SettingsError, nearest_name
from clip_pipeline.searching.answer import FITS, Answer, FoundPhoto
from clip_pipeline.searching.background import HIGH, MEAN, SPREAD
from clip_pipeline.searching.build import IMAGES, TEXTS
from clip_pipeline.searching.filters import filtered
from clip_pipeline.searching.index import SearchIndex
from clip_pipeline.searching.query import Query, Term, TermKind
from clip_pipeline.searching.relevance import Fit, Scoring, fit_of
from clip_pipeline.searching.scan import RESCORED, best_rows, exact_cosines, in_order, scan
from clip_pipeline.text.word_boundaries import split_words

TEXT_WEIGHT = 2.0
"""Of a text beside a photo: of 56 pairs on real vectors mAP .23 with two, .16 with one."""
VETOED_ABOVE = 80
"""Percentile of an unwanted text's cosines from which on it counts against a photo."""
MAX_TOP = 10_000
SHOWN = 40
NEVER = -np.inf


class Encoder(Protocol):
    """The model of an index. Both give unit vectors (D,); they may load it when they are first called."""

    def text(self, text: str) -> np.ndarray: ...

    def photo(self, path: Path) -> np.ndarray: ...


def search(
    index: SearchIndex,
    query: Query,
    encoder: Encoder,
    top: int = 20,
    *,
    hidden: Collection[str] = (),
    fold: bool = True,
    threads: int = 0,
) -> Answer:
    """The `top` best photos for a query, of equal scores the first by row: the same answer whatever the threads.

    hidden: ids that are in no answer, as those that were taken down. fold: of near-duplicates show one. threads: of the scan, 0 is one a core.
    Raises SettingsError for a photo that is not in the index and no file, a filter that keeps none because its value does not occur, and a `top`
    outside of 1 to 10,000; PhotosError for a file that is no photo.
    """
    if not 1 <= top <= MAX_TOP:
        raise SettingsError(f"--top is {top:,}, expected 1 to {MAX_TOP:,}.")
    kept_N = _kept(index, query, hidden)
    vectors = {term: _vector(index, term, encoder, hidden) for term in query.terms}
    begun = time.perf_counter()
    kept_rows = np.flatnonzero(kept_N)
    unknown, apart = _words(index, query)
    if not len(kept_rows):
        return Answer((), 0, len(index), unknown=unknown, apart=apart)
    asked = _Asked(index, query, vectors, kept_rows, unknown, threads)
    rows_K = best_rows(np.where(kept_N, asked.scores_N, NEVER), max(RESCORED, 2 * top))
    cosines_K = exact_cosines(index.vectors_ND, rows_K, asked.query_D)
    asked.refine(rows_K, cosines_K)
    fits_N, nothing = asked.fits()
    order = in_order(asked.scores_N[rows_K], rows_K)
    chosen, alike = _folded(index, rows_K[order], top) if fold else (order_rows(rows_K, order, top), {})
    cosine_of = dict(zip(rows_K.tolist(), cosines_K.tolist(), strict=True))
    facts = index.facts.rows(chosen)
    photos = tuple(
        FoundPhoto(
            row,
            float(asked.scores_N[row]),
            cosine_of[row],
            None if fits_N is None else Fit.NONE if nothing else fit_of(float(fits_N[row])),
            asked.better_than(row, cosine_of[row]),
            alike.get(row, 0),
            {name: value for name, value in known.items() if name != "thumbnail"},
        )
        for row, known in zip(chosen, facts, strict=True)
    )
    counts = _counts(fits_N, kept_rows, nothing)
    seconds = time.perf_counter() - begun
    return Answer(photos, len(kept_rows), len(index), counts, nothing, unknown, apart, seconds)


def order_rows(rows_K: np.ndarray, order: np.ndarray, top: int) -> list[int]:
    """The first `top` rows in an order."""
    return rows_K[order][:top].tolist()


def _kept(index: SearchIndex, query: Query, hidden: Collection[str]) -> np.ndarray:
    kept_N = filtered(index.facts, query.filters)
    kept_N = np.ones(len(index), bool) if kept_N is None else kept_N
    for photo_id in hidden:
        row = index.facts.row_of(photo_id)
        if row is not None:
            kept_N[row] = False
    return kept_N


def _vector(index: SearchIndex, term: Term, encoder: Encoder, hidden: Collection[str]) -> np.ndarray:
    """A unit vector. A photo that the query itself does not want or names is that of the index, else of a file."""
    if term.kind == TermKind.TEXT:
        return encoder.text(term.what)
    if term.what in hidden:
        raise SettingsError(f"The photo {term.what[:SHOWN]} was taken down. Search with another.")
    row = index.facts.row_of(term.what)
    if row is not None:
        return _unit(index.vectors_ND[row])
    if term.kind == TermKind.FILE and Path(term.what).expanduser().is_file():
        return encoder.photo(Path(term.what).expanduser())
    missing = f'There is no photo "{term.what[:SHOWN]}" in the index' + (
        ", and no such file." if term.kind == TermKind.FILE else "."
    )
    near = nearest_name(term.what, index.facts.column("id")[:MAX_TOP]) if len(term.what) <= SHOWN else ""
    raise SettingsError(f"{missing} {near}".rstrip())


def _unit(vector_D: np.ndarray) -> np.ndarray:
    vector_D = np.asarray(vector_D, np.float64)
    return vector_D / max(float(np.linalg.norm(vector_D)), np.finfo(np.float64).tiny)


class _Asked:
    """A query's scores of all photos, and what they say."""

    def __init__(
        self,
        index: SearchIndex,
        query: Query,
        vectors: dict[Term, np.ndarray],
        kept_rows: np.ndarray,
        unknown: Collection[str],
        threads: int,
    ):
        self._index, self._query, self._kept_rows, self._unknown = index, query, kept_rows, frozenset(unknown)
        self._alone = query.plus[0] if len(query.plus) == 1 and query.plus[0].kind == TermKind.TEXT else None
        scanned = {
            term: scan(index.codes_ND, index.scales_N, vectors[term], threads)
            for term in query.terms
            if term.kind == TermKind.TEXT or term.minus
        }
        calibration = index.calibration
        self._above = calibration.scoring == Scoring.ABOVE_CAPTIONS
        self._offset_N = index.background_N3[:, HIGH] if self._above else np.zeros(len(index), np.float32)
        if self._alone:
            self.query_D = _unit(vectors[self._alone])
            cosines_N = scanned[self._alone]
        else:
            self.query_D = _centred_sum(index, query, vectors)
            cosines_N = scan(index.codes_ND, index.scales_N, self.query_D, threads)
        self._texts = {
            term: cosines_N - self._offset_N for term, cosines_N in scanned.items() if term.kind == TermKind.TEXT
        }
        own_N = (cosines_N - self._offset_N if self._alone else cosines_N).astype(np.float64)
        self._penalty_N = np.zeros(len(index))
        for term in query.minus:
            self._penalty_N += term.weight * self._veto(scanned[term]) * own_N[kept_rows].std()
        self.scores_N = own_N - self._penalty_N

    def _veto(self, cosines_N: np.ndarray) -> np.ndarray:
        """How far each photo is above the 80th percentile of an unwanted term, in standard deviations."""
        kept = cosines_N[self._kept_rows].astype(np.float64)
        spread = max(float(kept.std()), 1e-6)
        return np.maximum(0.0, (cosines_N - np.percentile(kept, VETOED_ABOVE)) / spread)

    def refine(self, rows_K: np.ndarray, cosines_K: np.ndarray) -> None:
        """Puts exact cosines in the place of those by codes."""
        own_K = cosines_K - self._offset_N[rows_K] if self._alone else cosines_K
        self.scores_N[rows_K] = own_K - self._penalty_N[rows_K]
        if self._alone:
            self._texts[self._alone] = self._texts[self._alone].astype(np.float64)
            self._texts[self._alone][rows_K] = own_K

    def fits(self) -> tuple[np.ndarray | None, bool]:
        """(probability that each photo fits all texts and none that is unwanted, whether nothing does); None where nothing can be said."""
        calibration = self._index.calibration
        wanted = [term for term in self._query.plus if term.kind == TermKind.TEXT]
        if not wanted or not calibration.curves:
            return None, False
        fits_N, nothing = np.zeros(len(self._index)), False
        fits_N[self._kept_rows] = 1.0
        for term, scores_N in self._texts.items():
            kept = scores_N[self._kept_rows]
            words = [word for word in split_words(term.what) if word not in self._index.stop_words]
            probability = calibration.probabilities(kept, len(words))
            if not term.minus:
                # of a single word the captions know better than the scores, but for one that they do not have
                least = 2 if self._unknown.intersection(words) else 1
                nothing |= calibration.fits_nothing(float(kept.max()), max(len(words), least))
            fits_N[self._kept_rows] = np.minimum(
                fits_N[self._kept_rows], 1 - probability if term.minus else probability
            )
        return fits_N, nothing

    def better_than(self, row: int, cosine: float) -> float | None:
        """The share of captions that fit the photo less well, as if their cosines were normal."""
        spread = float(self._index.background_N3[row, SPREAD])
        if self._alone is None or spread == 0:
            return None
        return 0.5 * (1 + math.erf((cosine - float(self._index.background_N3[row, MEAN])) / (spread * math.sqrt(2))))


def _centred_sum(index: SearchIndex, query: Query, vectors: dict[Term, np.ndarray]) -> np.ndarray:
    """The unit vector of several terms, or of photos: each less the mean of its kind, by its weight."""
    of_photos_alone = all(term.kind != TermKind.TEXT for term in query.plus)
    if of_photos_alone and len(query.plus) == 1:
        return _unit(vectors[query.plus[0]])
    total_D = np.zeros(index.vectors_ND.shape[1])
    for term in query.plus:
        text = term.kind == TermKind.TEXT
        centred_D = _unit(_unit(vectors[term]) - index.means_2D[TEXTS if text else IMAGES])
        total_D += term.weight * (TEXT_WEIGHT if text else 1.0) * centred_D
    return _unit(total_D)


def _words(index: SearchIndex, query: Query) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(words of the wanted texts that no training caption holds, words of one text that no photo's captions hold together)."""
    unknown: dict[str, None] = {}
    apart: tuple[str, ...] = ()
    for term in query.plus:
        words = [word for word in dict.fromkeys(split_words(term.what)) if word not in index.stop_words]
        if term.kind != TermKind.TEXT or not words:
            continue
        known = index.facts.words(words)
        lacking = [word for word in words if known.get(word, (0, None))[0] == 0]
        unknown |= dict.fromkeys(lacking)
        if not lacking and len(words) > 1:
            rows = [known[word][1] for word in words]
            together = rows[0]
            for more in rows[1:]:
                together = np.intersect1d(together, more, assume_unique=True)
            if not len(together):
                apart = apart or tuple(words)
    return tuple(unknown), apart


def _folded(index: SearchIndex, rows: np.ndarray, top: int) -> tuple[list[int], dict[int, int]]:
    """(the first row of each group of near-duplicates, how many more of its group come after it)."""
    chosen: dict[str, int] = {}
    alike: dict[int, int] = {}
    groups = index.facts.column("group")
    for row in rows.tolist():
        group = groups[row]
        if group in chosen:
            alike[chosen[group]] = alike.get(chosen[group], 0) + 1
        elif len(chosen) < top:
            chosen[group] = row
    return list(chosen.values()), alike


def _counts(fits_N: np.ndarray | None, kept_rows: np.ndarray, nothing: bool) -> dict[Fit, int]:
    """How many of the photos searched fit strongly, likely, weakly."""
    if fits_N is None:
        return {}
    if nothing:
        return dict.fromkeys(FITS, 0)
    probabilities, counts = np.unique(fits_N[kept_rows], return_counts=True)
    found = dict.fromkeys((*FITS, Fit.NONE), 0)
    for probability, count in zip(probabilities.tolist(), counts.tolist(), strict=True):
        found[fit_of(probability)] += count
    return {fit: found[fit] for fit in FITS}
