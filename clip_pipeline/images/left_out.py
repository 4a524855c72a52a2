"""What pairs leave out: how often for each reason, an example, and the setting that decides it; one place that says it."""

from __future__ import annotations

import logging
from collections import Counter

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
}
"""The setting behind each reason that has one. Other reasons lie with the photos: their status, a copy, no caption at all."""

MAX_EXAMPLE_CHARS = 80


class LeftOut(Counter[str]):
    """How many captions and photos were left out, by reason; `examples` has the first of each reason."""

    def __init__(self) -> None:
        super().__init__()
        self.examples: dict[str, str] = {}

    def add(self, reason: str, count: int, example: str) -> None:
        """Counts `count` things of which `example` is one; what is shown of it is cut and has no signs for a terminal."""
        self[reason] += count
        if count:
            self.examples.setdefault(reason, printable_line(example)[:MAX_EXAMPLE_CHARS])

    def by_settings(self) -> list[tuple[str, int, str, str]]:
        """(what, how many, the setting, an example) for each reason that a setting decides, the commonest first."""
        found = sorted(self.items(), key=lambda item: (-item[1], item[0]))
        return [
            (reason, count, SETTING_OF[reason], self.examples.get(reason, ""))
            for reason, count in found
            if count and reason in SETTING_OF
        ]

    def say(self) -> None:
        """A warning for each row of `by_settings`."""
        for reason, count, setting, example in self.by_settings():
            logger.warning(
                'Left out of the pairs: %s of "%s" (%s), such as "%s"', f"{count:,}", reason, setting, example
            )

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
