from __future__ import annotations

import time

import pytest

from clip_pipeline_tests.words.scanned_prose import is_disambiguation


@pytest.mark.parametrize(
    "text",
    ["{{disambiguation}}", "x\n{{Disambig}}", "{{disambiguation|geo}}", "{{hndis|Name}}", "{{Geodis}}", "{{dab}}", "{{ disambig }}",
     "{{Airport disambiguation}}", "{{human name disambiguation|x}}", "[[Category:Disambiguation pages]]",
     "[[Category:Human name disambiguation pages|x]]", "__DISAMBIG__", "{{disambiguation cleanup|date=x}}"],
)  # fmt: skip
def test_disambiguation_pages_say_so_by_template_or_category(text):
    assert is_disambiguation(text)


@pytest.mark.parametrize(
    "text",
    ["[[Mercury]]{{disambiguation needed|date=May 2020}}", "{{Other uses|Cat (disambiguation)}}", "about disambiguation",
     "{{About|the cat|x|Cat (disambiguation)}}", "{{dablink|x}}", "{{see also|word-sense disambiguation}}", "[[Category:Cats]]"],
)  # fmt: skip
def test_articles_that_only_mention_disambiguation_are_articles(text):
    assert not is_disambiguation(text)


@pytest.mark.parametrize(
    "piece", ["{{", "{{ ", "{{a a (", "[[Category:", "[[Category:a ", "disambig", "{{disambig ", " ", "_"]
)
def test_the_time_is_linear_whatever_is_repeated(piece):
    started = time.process_time()
    assert not is_disambiguation(piece * (200_000 // len(piece)))
    assert time.process_time() - started < 3
