from __future__ import annotations

import pytest

from clip_pipeline.embedding.texts import caption_table, fill_template, prompt_table


def test_prompts_are_every_class_in_every_template():
    table = prompt_table(["dog", "cat"], ["a {c}", "a photo of a {}."])
    assert table["text"].to_pylist() == ["a dog", "a photo of a dog.", "a cat", "a photo of a cat."]
    assert table["class_index"].to_pylist() == [0, 0, 1, 1]
    assert table["template_index"].to_pylist() == [0, 1, 0, 1]
    assert len(set(table["id"].to_pylist())) == 4


@pytest.mark.parametrize(
    ("template", "name", "prompt"),
    [("a {c}", "dog", "a dog"), ("a {}", "dog", "a dog"), ("{c}", "{c}", "{c}"), ("a {c} {x}", "cup", "a cup {x}")],
)
def test_only_the_place_for_the_name_is_filled(template, name, prompt):
    assert fill_template(template, name) == prompt


def test_captions_name_their_photo():
    table = caption_table([("p", ["one", "two"]), ("q#1", ["three"])])
    assert table["id"].to_pylist() == ["p#0", "p#1", "q#1#0"]
    assert table["photo_id"].to_pylist() == ["p", "p", "q#1"]
    assert table["caption_index"].to_pylist() == [0, 1, 0]
