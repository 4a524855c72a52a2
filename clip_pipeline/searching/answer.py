"""What a search gives: photos from the best to the least, how well each fits, and what is known of the words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clip_pipeline.searching.relevance import Fit

FITS = (Fit.STRONG, Fit.LIKELY, Fit.WEAK)


@dataclass(frozen=True)
class FoundPhoto:
    """row: of the index. score: what it is ranked by. cosine: with the query. fit: None where no text was asked for, or nothing is known of
    what scores mean. better_than: the share of captions that fit the photo less than the text does, by their mean and spread; of one text
    alone. alike: near-duplicates of it that were left out. facts: of `records.SEARCH_FACTS`, without the thumbnail.
    """

    row: int
    score: float
    cosine: float
    fit: Fit | None
    better_than: float | None
    alike: int
    facts: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.facts["id"])


@dataclass(frozen=True)
class Answer:
    """photos: the best. searched: how many photos were looked at, all that the filters keep, of `indexed`.

    fits: how many of those searched fit strongly, likely and weakly; empty where nothing is said of fitness. nothing: whether the best is no
    better than for phrases that no photo has. unknown: words of the query that no caption of the training holds. apart: words that captions hold, but no photo
    together. seconds: without the model.
    """

    photos: tuple[FoundPhoto, ...]
    searched: int
    indexed: int
    fits: Mapping[Fit, int] = field(default_factory=dict)
    nothing: bool = False
    unknown: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()
    seconds: float = 0.0

    def sentence(self) -> str:
        """`3 strong, 9 likely, 40 weak of 8,668 photos; no caption of the training holds "teapot"`."""
        among = (
            f"{self.searched:,} photos"
            if self.searched == self.indexed
            else f"{self.searched:,} of {self.indexed:,} photos"
        )
        if not self.searched:
            said = f"No photo of {self.indexed:,} is left by the filters"
        elif self.nothing or (self.fits and not any(self.fits.values())):
            said = f"Nothing here fits, of {among}; what is shown is the nearest"
        elif self.fits:
            said = ", ".join(f"{count:,} {fit.value}" for fit, count in self.fits.items() if count) + f" of {among}"
        else:
            said = f"The nearest of {among}"
        if self.unknown:
            names = ", ".join(f'"{word}"' for word in self.unknown)
            said += f"; no caption of the training holds {names}"
        if self.apart:
            said += f"; no photo's captions hold {' and '.join(self.apart)} together"
        return said
