"""Checks of the scores: the sanity checks of `evaluation/sanity_checks.py` on the datasets and vectors that were scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from clip_pipeline.pipeline.checks.check import Check, CheckOutcome
from clip_pipeline.pipeline.partitions import datasets_by_variant, halves
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.steps.benchmark_datasets import stored_dataset
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.manifest import Artifact

if TYPE_CHECKING:
    from clip_pipeline.evaluation.sanity_checks import SanityCheckOutcome


def scores_beat_chance(workspace: Workspace) -> CheckOutcome:
    rows = [row for row in _reported(workspace) if row["chance"] is not None]
    below = [
        f"{row['task']} {row['dataset']}/{row['split']} {row['metric']}" for row in rows if row["low"] <= row["chance"]
    ]
    found = f"{len(below)} of {len(rows)} scores are not above chance" + (f": {', '.join(below[:5])}" if below else "")
    return CheckOutcome(bool(rows) and not below, found, {"scores": len(rows), "not above chance": len(below)})


def scores_tell_their_origin(workspace: Workspace) -> CheckOutcome:
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


def perfect_classifier_scores_one(workspace: Workspace) -> CheckOutcome:
    from clip_pipeline.evaluation import sanity_checks

    return _sanity_check(
        workspace,
        "zero_shot_scores",
        lambda key: sanity_checks.perfect_classifier_scores_one(_truth(workspace, key), workspace.recipe.evaluation),
    )


def perfect_search_scores_one(workspace: Workspace) -> CheckOutcome:
    from clip_pipeline.evaluation import sanity_checks

    def sanity_check(key: str) -> SanityCheckOutcome:
        dataset = stored_dataset(workspace, halves(key)[0])
        captions = [len(texts) for texts in dataset.captions or []]
        return sanity_checks.perfect_search_scores_one(
            list(zip(dataset.ids, captions, strict=True)), workspace.recipe.evaluation
        )

    return _sanity_check(workspace, "retrieval_scores", sanity_check)


def shuffled_labels_score_chance(workspace: Workspace) -> CheckOutcome:
    from clip_pipeline.evaluation import sanity_checks

    return _sanity_check(
        workspace,
        "zero_shot_scores",
        lambda key: sanity_checks.shuffled_labels_score_chance(
            workspace.get("image_embeddings", key).folder,
            workspace.get("text_embeddings", key).folder,
            _truth(workspace, key),
            workspace.recipe.evaluation,
        ),
    )


def predictions_belong_to_their_ids(workspace: Workspace) -> CheckOutcome:
    import pyarrow.parquet as pq

    from clip_pipeline.evaluation import sanity_checks

    return _sanity_check(
        workspace,
        "zero_shot_scores",
        lambda key: sanity_checks.predictions_belong_to_their_ids(
            pq.read_table(workspace.get("zero_shot_scores", key).file("predictions.parquet")),
            workspace.get("image_embeddings", key).folder,
            workspace.get("text_embeddings", key).folder,
            _truth(workspace, key),
            workspace.recipe.evaluation.shuffle_labels,
        ),
    )


def perfect_probe_scores_one(workspace: Workspace) -> CheckOutcome:
    from clip_pipeline.evaluation.probes import sanity_check

    settings = workspace.recipe.evaluation
    return _sanity_check(
        workspace, "probe_scores", lambda key: sanity_check.perfect_probe_scores_one(_truth(workspace, key), settings)
    )


def probe_is_not_below_zero_shot(workspace: Workspace) -> CheckOutcome:
    from clip_pipeline.evaluation import sanity_checks

    def sanity_check(key: str) -> SanityCheckOutcome:
        settings = workspace.recipe.evaluation
        probe = _right(workspace, "probe_scores", key, probe="linear_probe")
        zero_shot = _right(workspace, "zero_shot_scores", key)
        return sanity_checks.probe_is_not_below_zero_shot(probe, zero_shot, settings.bootstrap_samples, settings.seed)

    return _sanity_check(workspace, "probe_scores", sanity_check)


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


def _sanity_check(workspace: Workspace, asset: str, sanity_check: Callable[[str], SanityCheckOutcome]) -> CheckOutcome:
    """The sanity check on every partition that was scored; the first that fails decides."""
    outcomes = {key: sanity_check(key) for key, _ in _scored(workspace, asset)}
    failed = {key: outcome for key, outcome in outcomes.items() if not outcome.passed}
    lines = [f"{halves(key)[0]}: {outcome.found}" for key, outcome in (failed or outcomes).items()]
    return CheckOutcome(not failed, "; ".join(lines) or "nothing was scored", {"datasets": len(outcomes), "failed": len(failed)})  # fmt: skip


def _scored(workspace: Workspace, asset: str) -> Iterator[tuple[str, Artifact]]:
    """Partitions with scores; a run of one partition checks what there is."""
    for key in datasets_by_variant(workspace):
        artifact = workspace.store.find(artifact_key(asset, key))
        if artifact is not None and artifact.rows["scores"]:
            yield key, artifact


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
