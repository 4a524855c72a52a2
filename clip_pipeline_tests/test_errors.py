"""Names that were not found: the nearest, or those that there are, as many as a person reads."""

from __future__ import annotations

from clip_pipeline.errors import nearest_name


def test_the_nearest_name_is_asked_for_else_all_are_listed():
    assert nearest_name("widnows", ["tome", "windows"]) == 'Did you mean "windows"?'
    assert nearest_name("xyz", ["tome", "windows"]) == "Known: tome, windows."


def test_of_very_many_names_the_first_are_listed():
    photos = [f"{number:05}" for number in range(8668)]
    expected = "Known: 00000, 00001, 00002, 00003, 00004, 00005, 00006, 00007, 00008, 00009 and 8,658 more."
    assert nearest_name("nobody", photos) == expected
    assert len(nearest_name("0001", [f"{number:06}" for number in range(100_000)])) < 150
