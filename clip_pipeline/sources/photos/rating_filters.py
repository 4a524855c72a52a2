"""Filters over what lists such as LAION's say of each photo: similarity to its caption, fitness, watermarks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import SettingsError
from clip_pipeline.settings import PairsSettings

if TYPE_CHECKING:
    import pyarrow as pa


def allowed_words(settings: PairsSettings) -> set[str]:
    """The words of pairs.allowed_nsfw in upper case; empty where any is allowed. Raises SettingsError for a comma alone."""
    words = {word.strip().upper() for word in settings.allowed_nsfw.split(",")} - {""}
    if not words:
        raise SettingsError(f'pairs.allowed_nsfw is "{settings.allowed_nsfw}". Write UNLIKELY, UNLIKELY,UNSURE or any.')
    return set() if "ANY" in words else words


def unfit_ratings(photos: pa.Table, settings: PairsSettings) -> dict[str, np.ndarray]:
    """A mask of the photos that a filter excludes, by reason; nothing for filters that keep all.

    photos: has RATING_FIELDS. Where a filter is set, a photo of which nothing is known has the reason `..._unknown`: it
    was not asked for, and a photo that nobody vouches for is not safe.
    """
    masks: dict[str, np.ndarray] = {}
    if settings.min_similarity > 0:
        masks |= _unfit(photos, "similarity", "dissimilar", lambda value: value < settings.min_similarity)
    if words := allowed_words(settings):
        said = photos["nsfw"].to_pylist()
        masks["nsfw_unknown"] = np.array([word is None for word in said], bool)
        masks["nsfw"] = np.array([word is not None and word not in words for word in said], bool)
    if settings.max_unsafe < 1:
        masks |= _unfit(photos, "unsafe", "unsafe", lambda value: value > settings.max_unsafe)
    if settings.max_watermark < 1:
        masks |= _unfit(photos, "watermark", "watermarked", lambda value: value > settings.max_watermark)
    return masks


def fit_photos(photos: pa.Table, settings: PairsSettings, counts: LeftOut) -> pa.Table:
    """The photos that no filter excludes; the others are counted in `counts` as "photo REASON", each by its first reason."""
    fits = np.ones(len(photos), bool)
    for reason, wrong in unfit_ratings(photos, settings).items():
        out = fits & wrong
        counts.add(f"photo {reason}", int(out.sum()), photos["url"][int(out.argmax())].as_py() if out.any() else "")
        fits &= ~wrong
    return photos.filter(fits)


def _unfit(
    photos: pa.Table, name: str, reason: str, wrong: Callable[[np.ndarray], np.ndarray]
) -> dict[str, np.ndarray]:
    values = photos[name].to_numpy()  # null becomes not a number
    unknown = np.isnan(values)
    return {f"{name}_unknown": unknown, reason: ~unknown & wrong(values)}
