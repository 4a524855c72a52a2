"""Labels and templates as a person writes them."""

from __future__ import annotations

import pytest

from clip_pipeline.errors import DatasetError, SettingsError
from clip_pipeline.evaluation.labels import chosen_templates, read_labels, split_labels


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("a dog, a cat", ["a dog", "a cat"]),
        ('"a dog, brown and white","a cat"', ["a dog, brown and white", "a cat"]),
        ('a cat, "a 5"" ruler, used"', ["a cat", 'a 5" ruler, used']),
        ('a 5" ruler, a cat', ['a 5" ruler', "a cat"]),
        ("dog's nose,, cat ", ["dog's nose", "cat"]),
        ("", []),
    ],
)
def test_labels_stand_as_in_csv(text, labels):
    assert split_labels(text) == labels


@pytest.mark.parametrize("text", ['"a dog, a cat', '"a dog" brown, a cat'])
def test_a_quotation_mark_in_the_wrong_place_is_told(text):
    with pytest.raises(SettingsError, match="cannot be read as CSV .* Close each quotation mark"):
        split_labels(text)


def test_a_file_has_a_label_a_line(tmp_path):
    (tmp_path / "labels.txt").write_text("\ufeffa dog, brown\r\n\r\n a cat \n", "utf-8")
    assert read_labels(tmp_path / "labels.txt") == ["a dog, brown", "a cat"]
    (tmp_path / "labels.txt").write_text("\n\n")
    with pytest.raises(DatasetError, match="holds no labels. Write one a line"):
        read_labels(tmp_path / "labels.txt")


@pytest.mark.parametrize(
    ("templates", "prompts"),
    [
        ("", ("{c}",)),
        ("a photo of a {}", ("a photo of a {}",)),
        ("a {c}, seen from above", ("a {c}, seen from above",)),
        (["a {}", "the {c}"], ("a {}", "the {c}")),
        ("own", ("{c}",)),
    ],
)
def test_templates_have_either_place_for_the_label(templates, prompts):
    assert chosen_templates(templates, ("{c}",)) == prompts


@pytest.mark.parametrize("templates", ["a photo of a", "a photo, of a", ["a {}", "a photo"]])
def test_a_template_without_a_place_is_told(templates):
    with pytest.raises(SettingsError, match="has no place for the label"):
        chosen_templates(templates, ("{c}",))
