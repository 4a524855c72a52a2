"""Articles that are not counted because they hold no text that a reader reads: how many, of which content model, and one's title."""

from __future__ import annotations

import logging
import threading
from collections import Counter

from clip_pipeline.display.printable import printable_line

logger = logging.getLogger(__name__)

MAX_EXAMPLE_CHARS = 80


class LeftOutPages(Counter[str]):
    """Pages by their content model; `examples` has a title of each. Several threads may add to it."""

    def __init__(self) -> None:
        super().__init__()
        self.examples: dict[str, str] = {}
        self._lock = threading.Lock()

    def add(self, model: str, count: int, title: str) -> None:
        """Counts `count` pages of which `title` is one."""
        model = printable_line(model)[:MAX_EXAMPLE_CHARS]
        with self._lock:
            self[model] += count
            known = self.examples.get(model)
            self.examples[model] = min(title, known) if known is not None else title

    def sentence(self) -> str:
        """ "2 pages of other content models: ..." with examples, "" where there are none."""
        if not self:
            return ""
        found = sorted(self.items(), key=lambda item: (-item[1], item[0]))
        models = ", ".join(
            f'{model} {count:,}, such as "{printable_line(self.examples[model])[:MAX_EXAMPLE_CHARS]}"'
            for model, count in found
        )
        return f"{sum(self.values()):,} pages of namespace 0 hold no wikitext and no HTML, so that none of their words count: {models}"

    def say(self, part: str) -> None:
        """A warning where pages were left out of a part of a dump."""
        if self:
            logger.warning("%s: %s", part, self.sentence())
