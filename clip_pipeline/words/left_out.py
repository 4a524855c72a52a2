"""Articles that are not counted because they hold no text that a reader reads: how many, of which content model, and one's title."""

from __future__ import annotations

import threading

from clip_pipeline.display.left_out import MAX_EXAMPLE_CHARS, LeftOut
from clip_pipeline.display.printable import printable_line

NO_TEXT = "article of the content model "


class LeftOutPages(LeftOut):
    """Pages of namespace 0 that hold neither wikitext nor HTML, by their content model. Several threads may add to it; which of them
    is first changes no example."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def add_page(self, model: str, title: str) -> None:
        """Counts one page."""
        reason = NO_TEXT + printable_line(model)[:MAX_EXAMPLE_CHARS]
        with self._lock:
            known = self.examples.pop(reason, None)
            self.add(reason, 1, title if known is None else min(printable_line(title)[:MAX_EXAMPLE_CHARS], known))

    def start_again(self) -> None:
        """Forgets what was counted: the pages are read anew."""
        self.clear()
        self.examples.clear()
