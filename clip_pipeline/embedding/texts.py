"""Which texts a dataset needs embedded: prompts of its classes, or its captions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa


def prompt_table(class_names: Sequence[str], templates: Sequence[str]) -> pa.Table:
    """One row per (class, template): id, text, class_index, template_index, class_name; classes outermost.

    A template holds `{c}` (CLIP_benchmark) or `{}` (open_clip) where the class name goes.
    """
    cells = [(c, t) for c in range(len(class_names)) for t in range(len(templates))]
    return pa.table(
        {
            "id": pa.array([f"class-{c:05d}-template-{t:03d}" for c, t in cells], pa.string()),
            "text": pa.array([fill_template(templates[t], class_names[c]) for c, t in cells], pa.string()),
            "class_index": pa.array([c for c, _ in cells], pa.int32()),
            "template_index": pa.array([t for _, t in cells], pa.int32()),
            "class_name": pa.array([class_names[c] for c, _ in cells], pa.string()),
        }
    )


def fill_template(template: str, class_name: str) -> str:
    """The prompt. Braces elsewhere in the template, or in the class name, stay as they are."""
    return template.replace("{c}", class_name) if "{c}" in template else template.replace("{}", class_name)


def caption_table(captioned: Iterable[tuple[str, Sequence[str]]]) -> pa.Table:
    """One row per caption of (photo id, captions) pairs: id (`photo#0`), text, photo_id, caption_index."""
    rows = [(photo_id, k, text) for photo_id, captions in captioned for k, text in enumerate(captions)]
    return pa.table(
        {
            "id": pa.array([f"{photo_id}#{k}" for photo_id, k, _ in rows], pa.string()),
            "text": pa.array([text for _, _, text in rows], pa.string()),
            "photo_id": pa.array([photo_id for photo_id, _, _ in rows], pa.string()),
            "caption_index": pa.array([k for _, k, _ in rows], pa.int32()),
        }
    )
