"""Labels and templates that a person writes: on one line as CSV, one a line in a file, with a place for the label."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from clip_pipeline.errors import DatasetError, SettingsError, nearest_name
from clip_pipeline.evaluation.templates import SETS, template_sets
from clip_pipeline.sources.tables.text_files import lines_of, read_text

LABEL_PLACES = ("{c}", "{}")
"""Where a label goes, as CLIP_benchmark and as open_clip write it."""


def split_labels(text: str) -> list[str]:
    """Labels with commas between; one with a comma in it stands in quotation marks, as in CSV: '"a dog, asleep", a cat'.

    Raises SettingsError for a quotation mark that is not closed.
    """
    try:
        rows = list(csv.reader([text], skipinitialspace=True, strict=True))
    except csv.Error as problem:
        raise SettingsError(
            f"The labels {text} cannot be read as CSV ({problem}). Close each quotation mark before its comma, and write a mark inside "
            'a quoted label twice: "a 5"" ruler, used".'
        ) from None
    return [label.strip() for row in rows for label in row if label.strip()]


def read_labels(path: Path) -> list[str]:
    """The labels of a file, one a line; empty lines are none. Raises DatasetError for a file without any, or that is no text."""
    labels = [line.strip() for line in lines_of(read_text(path, DatasetError)) if line.strip()]
    if not labels:
        raise DatasetError(f"{path} holds no labels. Write one a line.")
    return labels


def chosen_templates(templates: str | Sequence[str], own: Sequence[str]) -> tuple[str, ...]:
    """Prompts by the names of their sets with commas between, one that is written out, or several; `own` for "".

    Raises SettingsError for a prompt without a place for the label, and for a set that there is not.
    """
    if not isinstance(templates, str):
        return tuple(map(_checked, templates))
    if not templates.strip():
        return tuple(own)
    if any(place in templates for place in LABEL_PLACES):
        return (templates,)
    names = [name.strip() for name in templates.split(",")]
    if any(name and name not in SETS for name in names):
        return (_checked(templates),)
    return tuple(template for one in template_sets(templates, own).values() for template in one)


def _checked(template: str) -> str:
    if not any(place in template for place in LABEL_PLACES):
        raise SettingsError(
            f'The template "{template}" has no place for the label: write {{c}} or {{}} where it goes, as in "a photo of a {{}}". And there '
            f"is no set of that name. {nearest_name(template, SETS)}"
        )
    return template
