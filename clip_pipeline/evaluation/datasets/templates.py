"""The templates that a dataset of the registry brings: CLIP's for it (Radford et al. 2021, data/prompts.md), in templates/*.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clip_pipeline.evaluation.datasets.dataset import TEMPLATES
from clip_pipeline.evaluation.datasets.entry import Entry
from clip_pipeline.evaluation.datasets.names import class_names
from clip_pipeline.evaluation.templates import SETS, template_sets

FOLDER = Path(__file__).parent / "templates"


def own_templates(entry: Entry) -> tuple[str, ...]:
    """An entry's own templates; the general ones where it has none."""
    if not entry.templates:
        return TEMPLATES
    if entry.templates in SETS:
        return template_sets(entry.templates, TEMPLATES)[entry.templates]
    return tuple(json.loads((FOLDER / f"{entry.templates}.json").read_text("utf-8")))


def entry_facts(entry: Entry) -> dict[str, Any]:
    """All of an entry that decides what is scored: a change of it makes a stored dataset stale."""
    decides = ("name", "reader", "task", "classes", "photos", "per_class", "captions", "left_out")
    facts = {field: getattr(entry, field) for field in decides}
    return facts | {"names": list(class_names(entry).items()), "templates": own_templates(entry)}
