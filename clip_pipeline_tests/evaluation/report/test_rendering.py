from __future__ import annotations

import pytest

from clip_pipeline.evaluation.report.content import report_content
from clip_pipeline.evaluation.report.rendering import escape_markdown, fenced, markdown_text, page_text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [("a_b 5 % – 3", "a_b 5 % – 3"), ("Words & images", "Words & images"), ("&lt;", r"\&lt;"), ("a\n# b", "a # b"),
     ("\\|", r"\\\|"), ("<a>[b](c)*d*`e`", r"\<a\>\[b\](c)\*d\*\`e\`"), (3, "3")],
)  # fmt: skip
def test_markdown_is_escaped_where_it_would_mean_something(text, escaped):
    assert escape_markdown(text) == escaped


@pytest.mark.parametrize(("text", "fence"), [("plain", "```"), ("```", "````"), ("a ` b ````` c", "``````")])
def test_a_fence_is_longer_than_any_in_its_text(text, fence):
    assert fenced(text, "json") == f"{fence}json\n{text}\n{fence}"


def test_both_forms_say_what_the_one_context_holds(tmp_path):
    facts = {
        "title": "Little",
        "scores": [],
        "facts_line": {"model": "tiny"},
        "photo_statuses": {"not_found": 1234},
        "pairs_by_split": {"train": {"photos": 2, "pairs": 3}},
        "machine": "a machine",
        "recipe": '{"seed": 0}\n',
    }
    content = report_content(facts, {}, [])
    page, markdown = page_text(content, tmp_path), markdown_text(content)
    for text in ("Little", "tiny", "not found", "1,234", "2 photos, 3 pairs", "a machine"):
        assert text in page and text in markdown
    assert "{&#34;seed&#34;: 0}" in page and '{"seed": 0}' in markdown


def test_a_context_that_lacks_something_is_an_error(tmp_path):
    from jinja2 import UndefinedError

    content = report_content({"title": "Little", "scores": []}, {}, [])
    del content["machine"]
    with pytest.raises(UndefinedError, match="machine"):
        page_text(content, tmp_path)
    with pytest.raises(UndefinedError, match="machine"):
        markdown_text(content)


def test_what_settings_left_out_of_the_pairs_is_shown_with_its_setting_and_an_example(tmp_path):
    left_out = [["image_text_pairs", "caption too_few_words", 1234, "pairs.min_caption_words", "a|b"]]
    content = report_content({"title": "Little", "scores": [], "left_out": left_out}, {}, [])
    page, markdown = page_text(content, tmp_path), markdown_text(content)
    for text in ("What was left out", "too_few_words", "1,234", "pairs.min_caption_words"):
        assert text in page and text in markdown
    assert "a|b" in page and r"a\|b" in markdown
