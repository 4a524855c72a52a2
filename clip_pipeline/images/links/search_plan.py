"""Which words a limited number of requests goes to."""

from __future__ import annotations

from collections.abc import Sequence

LAST_PAGE = 200
"""Pages of the search beyond are empty, so a word gives at most 6,000 photos at 30 a page."""


def plan_requests(words: Sequence[str], photos_per_word: int, per_page: int, max_requests: int) -> dict[str, int]:
    """Word -> the most pages that may be asked for it; words that are not searched are left out.

    words: the most useful first. The first word has all the pages it may need before the second has any.
    max_requests: pages in all, 0 for no limit.
    """
    pages = min(-(-photos_per_word // per_page), LAST_PAGE)
    if not max_requests:
        return dict.fromkeys(words, pages)
    whole, rest = divmod(max_requests, pages)
    plan = dict.fromkeys(words[:whole], pages)
    if rest and whole < len(words):
        plan[words[whole]] = rest
    return plan
