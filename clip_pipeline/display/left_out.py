"""What a step leaves out: how often for each reason, an example, and the setting that decides it; one place that says it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clip_pipeline.display.printable import printable_line

logger = logging.getLogger(__name__)

SETTING_OF = {
    "caption too_few_words": "pairs.min_caption_words",
    "caption too_many_words": "pairs.max_caption_words",
    "caption other_script": "pairs.caption_script",
    "caption other_language": "pairs.caption_language",
    "caption on_many_photos": "pairs.max_caption_photos",
    "photo small": "pairs.min_side",
    "photo long_and_narrow": "pairs.max_aspect",
    "photo mostly_text": "pairs.max_text_share",
    "photo dissimilar": "pairs.min_similarity",
    "photo similarity_unknown": "pairs.min_similarity",
    "photo nsfw": "pairs.allowed_nsfw",
    "photo nsfw_unknown": "pairs.allowed_nsfw",
    "photo unsafe": "pairs.max_unsafe",
    "photo unsafe_unknown": "pairs.max_unsafe",
    "photo watermarked": "pairs.max_watermark",
    "photo watermark_unknown": "pairs.max_watermark",
    "photo too_small": "download.min_side",
    "photo too_many_pixels": "download.max_pixels",
    "photo too_many_bytes": "download.max_bytes",
    "photo too_costly": "download.max_decode_memory",
    "photo robots_txt": "download.robots_txt",
    "photo robots_header": "download.robots_header",
    "keywords below the confidence": "links.min_confidence",
    "word too_rare": "words.min_count",
    "word in_too_few_articles": "words.min_documents",
    "word too_short": "words.min_length",
    "word digits": "words.digits",
    "word other_script": "words.script",
    "word proper_noun": "words.proper_nouns",
    "word stop_word": "words.stop_words",
    "word over_max_words": "words.max_words",
}
"""The setting behind each reason that has one. Other reasons lie with the photos: their status, a copy, a broken row."""

READ = frozenset(["keywords read"])
"""Counts that stand among them and say what was read."""

MAX_EXAMPLE_CHARS = 80
FACT = "left_out"
"""The fact of an artifact that holds the `rows` of what its step left out."""

Row = tuple[str, int, str, str]
"""(what, how many, the setting that decides it or "", an example or "")"""


class LeftOut(Counter[str]):
    """How many things were left out, by reason; `examples` has the first of each reason."""

    def __init__(self) -> None:
        super().__init__()
        self.examples: dict[str, str] = {}

    def add(self, reason: str, count: int, example: str) -> None:
        """Counts `count` things of which `example` is one; what is shown of it is cut and has no signs for a terminal."""
        self[reason] += count
        if count and example:
            self.examples.setdefault(reason, printable_line(example)[:MAX_EXAMPLE_CHARS])

    def take(self, other: LeftOut) -> None:
        """Adds what another one has counted."""
        for reason, count in other.items():
            self.add(reason, count, other.examples.get(reason, ""))

    def hand_on(self, to: LeftOut | None, where: str) -> None:
        """Adds what was counted to `to`, whose owner says it; says it at once where that is None. where: as of `say`."""
        if to is None:
            self.say(where)
        else:
            to.take(self)

    def facts(self) -> dict[str, list[Row]]:
        """`rows` as the fact of an artifact; none where nothing was left out."""
        return {FACT: rows} if (rows := self.rows()) else {}

    def rows(self) -> list[Row]:
        """A row for each reason, the commonest first."""
        found = sorted(self.items(), key=lambda item: (-item[1], item[0]))
        return [
            (reason, count, SETTING_OF.get(reason, ""), self.examples.get(reason, ""))
            for reason, count in found
            if count and reason not in READ
        ]

    def by_settings(self) -> list[Row]:
        """Those of `rows` that a setting decides."""
        return [row for row in self.rows() if row[2]]

    def say(self, where: str) -> None:
        """A warning for each of `rows`. where: what it was left out of."""
        for sentence in left_out_sentences(self.rows()):
            logger.warning("Left out of %s: %s", where, sentence)

    def advice(self) -> str:
        """What to do where nothing is left: the commonest reason that a setting decides, else where the statuses are."""
        rows = self.by_settings()
        if not rows:
            return "Look at the statuses of image_shards."
        reason, count, setting, example = rows[0]
        # a photo whose captions are all left out is "without caption"
        others = any(n and one not in SETTING_OF and one != "photo without caption" for one, n in self.items())
        return (
            f'{count:,} are of "{reason}", such as "{example}", which {setting} decides: change it, or the captions.'
            + (" Look at the statuses of image_shards for the others." if others else "")
        )


def left_out_sentences(rows: Iterable[Sequence[Any]]) -> list[str]:
    """Each row in words, such as: 12 of "caption too_few_words" (pairs.min_caption_words), such as "a dog"."""
    return [
        f'{count:,} of "{reason}"'
        + (f" ({setting})" if setting else "")
        + (f', such as "{example}"' if example else "")
        for reason, count, setting, example in rows
    ]


def added_rows(facts: Iterable[Mapping[str, Any]]) -> list[Row]:
    """What the artifacts with these facts left out, together."""
    whole = LeftOut()
    for one in facts:
        for reason, count, _, example in one.get(FACT) or ():
            whole.add(str(reason), int(count), str(example))
    return whole.rows()
