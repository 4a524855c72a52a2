from __future__ import annotations

from clip_pipeline.display.text_table import markdown_table, text_table

ROWS = [("cup", "3", ""), ("ball", "1,200", "may be chance")]


def test_columns_are_as_wide_as_their_widest_cell_and_lines_end_with_their_text():
    assert text_table(ROWS, ("word", "count", ""), right=(1,), rule=True).splitlines() == [
        "word  count",
        "────  ─────  ─────────────",
        "cup       3",
        "ball  1,200  may be chance",
    ]


def test_without_a_header_and_with_an_indent():
    assert text_table(ROWS, right=(1,), indent="  ").splitlines() == ["  cup       3", "  ball  1,200  may be chance"]
    assert text_table([]) == ""


def test_as_markdown_the_columns_line_up_too():
    assert markdown_table([row[:2] for row in ROWS], ("word", "count"), right=(1,)).splitlines() == [
        "| word | count |",
        "|------|------:|",
        "| cup  |     3 |",
        "| ball | 1,200 |",
    ]
