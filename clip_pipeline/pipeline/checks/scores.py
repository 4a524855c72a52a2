"""Checks of the scores: the sanity checks of `evaluation/sanity_checks.py` on the datasets and vectors that were scored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.pipeline.checks.check import Check, CheckOutcome
from clip_pipeline.pipeline.partitions import halves
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.steps.benchmark_datasets import stored_dataset
from clip_pipeline.pipeline.workspace import Workspace

if TYPE_CHECKING:
    from clip_pipeline.evaluation.sanity_checks import SanityCheckOutcome

NOTHING_SCORED = CheckOutcome(True, "nothing was scored")


def scores_beat_chance(workspace: Workspace, partition: str) -> CheckOutcome:
    rows = [row for row in _reported(workspace) if row["chance"] is not None]
    below = [
        f"{row['task']} {row['dataset']}/{row['split']} {row['metric']}" for row in rows if row["low"] <= row["chance"]
    ]
    found = f"{len(below)} of {len(rows)} scores are not above chance" + (f": {', '.join(below[:5])}" if below else "")
    return CheckOutcome(bool(rows) and not below, found, {"scores": len(rows), "not above chance": len(below)})


def scores_tell_their_origin(workspace: Workspace, partition: str) -> CheckOutcome:
    from clip_pipeline.evaluation.provenance import missing_provenance

    rows = _reported(workspace)
    lacking = {f"{row['task']} {row['dataset']}": missing for row in rows if (missing := missing_provenance(row))}
    found = f"{len(rows)} scores name model, dataset, seed, predictions and library versions"
    if lacking:
        found = "; ".join(f"{name} lacks {', '.join(missing)}" for name, missing in lacking.items())
    return CheckOutcome(not lacking, found, {"scores": len(rows), "without": len(lacking)})


def _reported(workspace: Workspace) -> list[dict[str, Any]]:
    from clip_pipeline.evaluation.scores import read_scores

    return read_scores(workspace.get("benchmark_report").file("scores.json"))


def perfect_classifier_scores_one(workspace: Workspace, partition: str) -> CheckOutcome:
    from clip_pipeline.evaluation import sanity_checks

    if not _is_scored(workspace, "zero_shot_scores", partition):
        return NOTHING_SCORED
    return _outcome(
        sanity_checks.perfect_classifier_scores_one(_truth(workspace, partition), workspace.recipe.evaluation)
    )


def perfect_search_scores_one(workspace: Workspace, partition: str) -> CheckOutcome:
    from clip_pipeline.evaluation import sanity_checks

    if not _is_scored(workspace, "retrieval_scores", partition):
        return NOTHING_SCORED
    dataset = stored_dataset(workspace, halves(partition)[0])
    captions = [len(texts) for texts in dataset.captions or []]
    photos = list(zip(dataset.ids, captions, strict=True))
    return _outcome(sanity_checks.perfect_search_scores_one(photos, workspace.recipe.evaluation))


def shuffled_labels_score_chance(workspace: Workspace, partition: str) -> CheckOutcome:
    from clip_pipeline.evaluation import sanity_checks

    if not _is_scored(workspace, "zero_shot_scores", partition):
        return NOTHING_SCORED
    images, texts = _embeddings(workspace, partition)
    return _outcome(
        sanity_checks.shuffled_labels_score_chance(
            images, texts, _truth(workspace, partition), workspace.recipe.evaluation
        )
    )


def predictions_belong_to_their_ids(workspace: Workspace, partition: str) -> CheckOutcome:
    import pyarrow.parquet as pq

    from clip_pipeline.evaluation import sanity_checks

    if not _is_scored(workspace, "zero_shot_scores", partition):
        return NOTHING_SCORED
    predictions = pq.read_table(workspace.get("zero_shot_scores", partition).file("predictions.parquet"))
    images, texts = _embeddings(workspace, partition)
    truth, shuffled = _truth(workspace, partition), workspace.recipe.evaluation.shuffle_labels
    return _outcome(sanity_checks.predictions_belong_to_their_ids(predictions, images, texts, truth, shuffled))


def perfect_probe_scores_one(workspace: Workspace, partition: str) -> CheckOutcome:
    from clip_pipeline.evaluation.probes import sanity_check

    if not _is_scored(workspace, "probe_scores", partition):
        return NOTHING_SCORED
    return _outcome(sanity_check.perfect_probe_scores_one(_truth(workspace, partition), workspace.recipe.evaluation))


def probe_is_not_below_zero_shot(workspace: Workspace, partition: str) -> CheckOutcome:
    from clip_pipeline.evaluation import sanity_checks

    if not _is_scored(workspace, "probe_scores", partition):
        return NOTHING_SCORED
    settings = workspace.recipe.evaluation
    probe = _right(workspace, "probe_scores", partition, probe="linear_probe")
    zero_shot = _right(workspace, "zero_shot_scores", partition)
    return _outcome(
        sanity_checks.probe_is_not_below_zero_shot(probe, zero_shot, settings.bootstrap_samples, settings.seed)
    )


def _right(workspace: Workspace, asset: str, key: str, probe: str = "") -> dict[str, bool]:
    """Photo id -> whether it was classified rightly; of several sets of prompts the first."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    artifact = workspace.store.find(artifact_key(asset, key))
    if artifact is None:
        return {}
    table = pq.read_table(artifact.file("predictions.parquet"))
    if probe:
        table = table.filter(pc.equal(table["probe"], probe))
    elif len(table):
        table = table.filter(pc.equal(table["templates"], table["templates"][0]))
    return dict(zip(table["id"].to_pylist(), table["correct"].to_pylist(), strict=True))


def _truth(workspace: Workspace, key: str) -> Any:
    return stored_dataset(workspace, halves(key)[0]).truth()


def _embeddings(workspace: Workspace, key: str) -> tuple[Path, Path]:
    """The folders of a dataset's image and text vectors."""
    return workspace.get("image_embeddings", key).folder, workspace.get("text_embeddings", key).folder


def _is_scored(workspace: Workspace, asset: str, key: str) -> bool:
    """Whether there are scores: of a dataset without labels or captions there are none."""
    return workspace.get(asset, key).rows["scores"] > 0


def _outcome(outcome: SanityCheckOutcome) -> CheckOutcome:
    return CheckOutcome(outcome.passed, outcome.found, {name: float(value) for name, value in outcome.numbers.items()})


SCORE_CHECKS = (
    Check("perfect_classifier_scores_one", "zero_shot_scores", "A perfect classifier gets 1.0 from the whole path of the scores.", True, perfect_classifier_scores_one),
    Check("predictions_belong_to_their_ids", "zero_shot_scores", "Labels and cosines are those of the photo that the id names.", True, predictions_belong_to_their_ids),
    Check("shuffled_labels_score_chance", "zero_shot_scores", "With labels in a random order the model scores chance.", False, shuffled_labels_score_chance),
    Check("perfect_search_scores_one", "retrieval_scores", "A perfect search gets recalls of 1.0 from the whole path of the scores.", True, perfect_search_scores_one),
    Check("perfect_probe_scores_one", "probe_scores", "A probe on vectors that are the class gets 1.0 from the whole path of the scores.", True, perfect_probe_scores_one),
    Check("probe_is_not_below_zero_shot", "probe_scores", "A trained probe is not worse than zero-shot on the same photos.", False, probe_is_not_below_zero_shot),
    Check("scores_beat_chance", "benchmark_report", "Every score's interval lies above chance.", False, scores_beat_chance),
    Check("scores_tell_their_origin", "benchmark_report", "Every score names model, dataset, seed, predictions and versions.", False, scores_tell_their_origin),
)  # fmt: skip
