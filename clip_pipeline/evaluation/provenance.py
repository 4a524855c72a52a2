"""Where a score comes from: what must be known to make it again, and to notice that it was made of something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clip_pipeline.settings import EvaluationSettings
from clip_pipeline.storage.disk import hash_file, hash_json
from clip_pipeline.storage.manifest import library_versions
from clip_pipeline.version import __version__

REQUIRED = ("model", "model_sha256", "dataset_sha256", "seed", "bootstrap_samples", "predictions_sha256", "libraries")
"""What no score of ours may lack. The templates' hash is only there where prompts were made of templates."""


@dataclass(frozen=True)
class Scored:
    """What is scored: a model on a dataset.

    model: its name. model_sha256: of its weights, configuration and tokenizer (`fingerprints.model_fingerprint`).
    dataset_sha256: of the photos and what is known of them (`fingerprints.dataset_fingerprint`). logit_scale: what the
    model multiplies cosines with before a softmax; without it there is no probability and no calibration. runtime: what made the
    photos' vectors. resized_weights: what open_clip interpolated in the model's, "" where nothing was. The scores take both from the
    vectors themselves.
    """

    model: str = ""
    model_sha256: str = ""
    dataset_sha256: str = ""
    logit_scale: float | None = None
    runtime: str = ""
    resized_weights: str = ""


def with_vectors(scored: Scored | None, about: Mapping[str, str]) -> Scored:
    """`scored` with what the photos' vectors say of themselves. about: of `about_embeddings`."""
    return replace(
        scored or Scored(), runtime=about.get("runtime", ""), resized_weights=about.get("resized_weights", "")
    )


def templates_fingerprint(templates: Sequence[str]) -> str:
    """sha256 of the prompts' templates in their order."""
    return hash_json(list(templates))


def with_provenance(
    rows: Sequence[Mapping[str, Any]],
    folder: Path,
    scored: Scored,
    settings: EvaluationSettings | None,
    template_sets: Mapping[str, Sequence[str]],
) -> list[dict[str, Any]]:
    """The rows, each with its whole provenance; `score_row` has put the name of the predictions' file there.

    folder: where the predictions lie. settings: of the scoring. template_sets: the templates by the name of their set.
    """
    hashes: dict[str, str] = {}
    libraries = {"clip_pipeline": __version__, **library_versions()}
    complete = []
    for row in rows:
        file = row["provenance"]["predictions"]
        if file not in hashes:
            hashes[file] = hash_file(folder / file) if (folder / file).is_file() else ""
        templates = template_sets.get(row["templates"])
        block = {
            "model": scored.model,
            "model_sha256": scored.model_sha256,
            "dataset_sha256": scored.dataset_sha256,
            "runtime": scored.runtime,
            **({"resized_weights": scored.resized_weights} if scored.resized_weights else {}),
            "templates_sha256": templates_fingerprint(templates) if templates else "",
            "template_count": len(templates or ()),
            "seed": None if settings is None else settings.seed,
            "bootstrap_samples": None if settings is None else settings.bootstrap_samples,
            "shuffled_labels": bool(settings and settings.shuffle_labels),
            "photos_left_out": row["provenance"].get("photos_left_out", 0),
            "predictions": file,
            "predictions_sha256": hashes[file],
            "libraries": libraries,
        }
        complete.append({**row, "provenance": block})
    return complete


def missing_provenance(row: Mapping[str, Any]) -> list[str]:
    """What a score's provenance lacks of `REQUIRED`."""
    block = row["provenance"]
    return [name for name in REQUIRED if block.get(name) in (None, "", {})]
