"""What the scores of an index mean, learnt from phrases of captions that the model was not trained on, and how good that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from clip_pipeline.evaluation.similarity import similarities
from clip_pipeline.searching.background import HIGH
from clip_pipeline.searching.phrases import CaptionWords, Phrases, drawn_phrases
from clip_pipeline.searching.relevance import Calibration, Curve, Fit, Scoring, auc, fit_of, fitted_ratios
from clip_pipeline.searching.scan import scan

FALSE_ALARMS = 0.05
NEAR_DUPLICATES = 99
"""Percentile of the cosines of texts above which a caption says nearly what the phrase says: its photo is neither right nor wrong."""
MIN_PHOTOS, MIN_PHRASES, MAX_PHOTOS = 50, 20, 2_000
"""Fewer photos that were held out, and those of the training are taken; fewer phrases, and nothing is learnt; of more photos some
are drawn."""
RANKED = 10

EmbedTexts = Callable[[Sequence[str]], np.ndarray]
"""Texts -> (N, D) unit vectors."""


@dataclass(frozen=True)
class IndexedPhotos:
    """All photos of an index by row. splits: train, validation, test or "" of each."""

    codes_ND: np.ndarray
    scales_N: np.ndarray
    background_N3: np.ndarray
    captions: Sequence[Sequence[str]]
    splits: Sequence[str]


def calibrated(
    photos: IndexedPhotos, embed_texts: EmbedTexts, taken: Callable[[str], bool], phrases: int, seed: int
) -> Calibration:
    """Learns from up to `phrases` phrases, and as many that no photo has, of words that are `taken`; every second one is kept for the figures.

    Without captions, or with too few phrases, the calibration knows nothing, and its figures say why.
    """
    words = CaptionWords(photos.captions)
    held_out = [
        row for row, split in enumerate(photos.splits) if split in ("validation", "test") and photos.captions[row]
    ]
    of_training = len(held_out) < MIN_PHOTOS
    rows = [row for row, captions in enumerate(photos.captions) if captions] if of_training else held_out
    if len(rows) > MAX_PHOTOS:
        rows = sorted(np.random.Generator(np.random.PCG64(seed)).choice(rows, MAX_PHOTOS, replace=False).tolist())
    drawn = drawn_phrases(words, rows, taken, phrases, seed)
    if len(drawn.found) < MIN_PHRASES:
        return Calibration(Scoring.COSINE, figures={"phrases": len(drawn.found), "least": MIN_PHRASES})
    scored = _Scored(photos, words, rows, drawn, embed_texts)
    scoring = max(Scoring, key=scored.goodness)
    calibration = Calibration(scoring, scored.curves(scoring), scored.false_alarms(scoring))
    if not calibration.curves:
        return replace(calibration, figures={"phrases": len(drawn.found), "that tell photos apart": 0})
    return replace(calibration, figures=scored.figures(calibration) | {"photos of the training": of_training})


class _Scored:
    """The scores of all phrases. The even ones are learnt from, the odd ones are measured on."""

    def __init__(
        self,
        photos: IndexedPhotos,
        words: CaptionWords,
        rows: Sequence[int],
        phrases: Phrases,
        embed_texts: EmbedTexts,
    ):
        self.phrases = phrases
        self._rows = np.array(rows, np.int64)
        self._high_N = photos.background_N3[:, HIGH]
        texts = [*phrases.found, *phrases.absent]
        vectors_PD = embed_texts(texts)
        kept: list[tuple[str, np.ndarray]] = []
        best: dict[Scoring, list[float]] = {scoring: [] for scoring in Scoring}
        for phrase, vector_D in zip(texts, vectors_PD, strict=True):
            cosines_N = scan(photos.codes_ND, photos.scales_N, vector_D)
            for scoring in Scoring:
                best[scoring].append(float(self._as(scoring, cosines_N).max()))
            if len(kept) < len(phrases.found):
                kept.append((phrase, cosines_N[self._rows]))
        self._cosines_PR = np.stack([cosines for _, cosines in kept])
        self.best = {scoring: np.array(scores) for scoring, scores in best.items()}
        self._fits_PR = np.stack([np.isin(self._rows, words.rows_with_phrase(phrase)) for phrase, _ in kept])
        self._counted_PR = self._fits_PR | ~self._says_nearly(photos, rows, vectors_PD[: len(kept)], embed_texts)

    def _says_nearly(
        self, photos: IndexedPhotos, rows: Sequence[int], phrases_PD: np.ndarray, embed_texts: EmbedTexts
    ) -> np.ndarray:
        """(P, R) whether a caption of the photo is a near-duplicate of the phrase by its vector."""
        texts = [caption for row in rows for caption in photos.captions[row]]
        of_row = np.repeat(np.arange(len(rows)), [len(photos.captions[row]) for row in rows])
        cosines_PT = similarities(phrases_PD, embed_texts(texts))
        near_PT = cosines_PT > np.percentile(cosines_PT, NEAR_DUPLICATES, axis=1, keepdims=True)
        near_PR = np.zeros((len(phrases_PD), len(rows)), bool)
        for place, near_T in enumerate(near_PT):
            near_PR[place, of_row[near_T]] = True
        return near_PR

    def _as(self, scoring: Scoring, cosines: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        high = self._high_N if rows is None else self._high_N[rows]
        return cosines - high if scoring == Scoring.ABOVE_CAPTIONS else cosines

    def labelled(self, scoring: Scoring, places: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """(scores, whether they fit) of some phrases with their photos."""
        taken = np.array(places, int)
        counted = self._counted_PR[taken]
        scores_PR = self._as(scoring, self._cosines_PR[taken], self._rows)
        return scores_PR[counted].astype(np.float64), self._fits_PR[taken][counted]

    def curves(self, scoring: Scoring) -> dict[int, Curve]:
        """By the number of words. Fewer than ten phrases of a length are learnt from together with all others."""
        lengths = [len(phrase.split()) for phrase in self.phrases.found]
        learnt = list(range(0, len(lengths), 2))
        of_length = {one: [place for place in learnt if lengths[place] == one] for one in sorted(set(lengths))}
        often = {length: places for length, places in of_length.items() if len(places) >= MIN_PHRASES // 2}
        curves = {}
        for length, places in (often or {1: learnt}).items():
            scores, fits = self.labelled(scoring, places)
            if fits.any() and not fits.all():
                curves[length] = Curve(*fitted_ratios(scores, fits), self._usual_share(places))
        return curves

    def _usual_share(self, places: Sequence[int]) -> float:
        """The geometric mean of the shares of photos that fit."""
        shares = np.maximum(self._fits_PR[np.array(places, int)].mean(axis=1), 0.5 / len(self._rows))
        return round(float(np.exp(np.log(shares).mean())), 6)

    def recall(self, scoring: Scoring) -> float:
        """How many of the best ten photos fit, of those that could, over the phrases that are learnt from."""
        found = []
        for cosines_R, fits_R in zip(self._cosines_PR[::2], self._fits_PR[::2], strict=True):
            order = np.argsort(-self._as(scoring, cosines_R, self._rows), kind="stable")[:RANKED]
            found.append(fits_R[order].sum() / max(1, min(RANKED, fits_R.sum())))
        return round(float(np.mean(found)), 4)

    def goodness(self, scoring: Scoring) -> float:
        """By what the scoring is chosen: the recall, and how well the best score tells phrases that photos have from others."""
        return self.recall(scoring) + self.found_or_absent(scoring, 0)

    def found_or_absent(self, scoring: Scoring, first: int) -> float:
        """The AUC by the best score, over phrases of equal lengths; 0.5 where there are none. first: 0 of those learnt from, 1 of the others."""
        best, count = self.best[scoring], len(self.phrases.found)
        lengths = {len(phrase.split()) for phrase in self.phrases.absent}
        of_length = np.array([len(phrase.split()) in lengths for phrase in self.phrases.found[first::2]], bool)
        found = auc(best[:count][first::2][of_length], best[count:][first::2])
        return 0.5 if np.isnan(found) else found

    def false_alarms(self, scoring: Scoring) -> dict[int, float]:
        """By the number of words, the 95th percentile of the best scores of phrases that no photo has; fewer than ten of a length say nothing."""
        lengths = np.array([len(phrase.split()) for phrase in self.phrases.absent[::2]], int)
        best = self.best[scoring][len(self.phrases.found) :][::2]
        return {
            length: round(float(np.quantile(best[lengths == length], 1 - FALSE_ALARMS)), 6)
            for length in sorted(set(lengths.tolist()))
            if (lengths == length).sum() >= MIN_PHRASES // 2
        }

    def figures(self, calibration: Calibration) -> dict[str, Any]:
        """Measured on the phrases that nothing was learnt from."""
        scoring, count = calibration.scoring, len(self.phrases.found)
        found, absent = self.phrases.found[1::2], self.phrases.absent[1::2]
        figures: dict[str, Any] = {
            "example": next((phrase for phrase in self.phrases.found if " " in phrase), self.phrases.found[0]),
            "scoring": scoring.value,
            "phrases found": count,
            "phrases absent": len(self.phrases.absent),
            "photos learnt from": len(self._rows),
        }
        for one in Scoring:
            figures[f"found or absent, AUC by {one.value}"] = _rounded(self.found_or_absent(one, 1))
            figures[f"recall@{RANKED} by {one.value}"] = self.recall(one)
        best = self.best[scoring]
        judged = {
            "found": zip(found, best[:count][1::2].tolist(), strict=True),
            "false alarms": zip(absent, best[count:][1::2].tolist(), strict=True),
        }
        for name, texts in judged.items():
            asked = [(score, len(text.split())) for text, score in texts]
            said = [
                not calibration.fits_nothing(score, words)
                for score, words in asked
                if words in calibration.false_alarms
            ]
            figures |= {f"{name}, of {len(said)}": _rounded(float(np.mean(said)))} if said else {}
        scores, fits = self.labelled(scoring, range(1, count, 2))
        figures["photo fits or not, AUC"] = _rounded(auc(scores[fits], scores[~fits]))
        return figures | self._how_often_right(calibration)

    def _how_often_right(self, calibration: Calibration) -> dict[str, float | None]:
        """Of the photos with each word, the share that fit; over all phrases that nothing was learnt from."""
        right: dict[Fit, list[int]] = {fit: [0, 0] for fit in Fit}
        scores_PR = self._as(calibration.scoring, self._cosines_PR, self._rows)
        for phrase, scores_R, fits_R in zip(
            self.phrases.found[1::2], scores_PR[1::2], self._fits_PR[1::2], strict=True
        ):
            said = [
                fit_of(probability) for probability in calibration.probabilities(scores_R, len(phrase.split())).tolist()
            ]
            for fit, is_right in zip(said, fits_R.tolist(), strict=True):
                right[fit][0] += is_right
                right[fit][1] += 1
        return {
            f"{fit.value}, share that fit": _rounded(good / all_of) if all_of else None
            for fit, (good, all_of) in right.items()
        }


def _rounded(number: float) -> float | None:
    return None if np.isnan(number) else round(number, 4)
