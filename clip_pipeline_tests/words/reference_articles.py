"""Which pages are articles: namespace 0, no redirect, no disambiguation page."""

from __future__ import annotations

import re

from clip_pipeline.words.pages import Page

# "{{disambiguation needed}}" marks a doubtful link inside an ordinary article, so the name must end here.
_DISAMBIGUATION = re.compile(
    r"\{\{[\s_]*(?:[\w /()-]{0,60}?disambig(?:uation)?(?:[ _-]page)?(?:[ _-]cleanup)?|disamb|dab|hndis|hndab|geodis|geodab|mathdab|"
    r"math[ _]dab|roaddis|schooldis|school[ _]dis|hospitaldis|numberdis|mil-unit-dis|"
    r"shipindex[ _]dab)[\s_]*[|}]"
    r"|\[\[\s*Category\s*:[^\[\]|]{0,80}disambiguation[ _]pages"
    r"|__DISAMBIG__",
    re.IGNORECASE,
)


def is_disambiguation(wikitext: str) -> bool:
    """Whether the page says so by a template ({{disambig}}, {{hndis}}, {{geodis}}, ...), a category or the magic word."""
    return _DISAMBIGUATION.search(wikitext) is not None


def is_article(page: Page) -> bool:
    """Whether the page's words are counted. A colon in the title says nothing: only its namespace does."""
    return page.namespace == 0 and not page.redirect and not is_disambiguation(page.text)
