"""The report: what it tells, collected from the manifests and files of the artifacts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from clip_pipeline.pipeline.assets import ASSETS
from clip_pipeline.pipeline.builder import BuildContext, Builder
from clip_pipeline.pipeline.partitions import (
    adapted_variants,
    bucket_keys,
    dataset_names,
    dump_parts,
    halves,
    partition_keys,
    shard_keys,
)
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.steps import adaptation
from clip_pipeline.pipeline.steps.benchmark_datasets import stored_dataset
from clip_pipeline.pipeline.steps.evaluation import SCORES
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import settings_text
from clip_pipeline.storage.manifest import Artifact, Built

REPORT = "benchmark_report"


def report_facts(workspace: Workspace) -> dict[str, Any]:
    """The facts of `evaluation.report.write_report`, for the model of the recipe."""
    from clip_pipeline.evaluation.scores import read_scores

    recipe, model = workspace.recipe, workspace.variant
    checkpoint = workspace.get("clip_checkpoint", model)
    scored = {(asset, halves(key)[0]): workspace.get(asset, key) for asset in SCORES for key in _own_keys(workspace)}
    with_scores = {names: artifact for names, artifact in scored.items() if artifact.rows["scores"]}
    return {
        "title": f"CLIP from scratch: recipe {recipe.name}",
        "model": model,
        "scores": [row for artifact in with_scores.values() for row in read_scores(artifact.file("scores.json"))],
        "facts_line": _facts_line(workspace, checkpoint),
        "funnel": _funnel(workspace),
        "photo_statuses": _photo_statuses(workspace),
        "pairs_by_split": {
            split: count
            for split, count in workspace.get("image_text_pairs").rows.items()
            if split in ("train", "validation", "test")
        },
        "training_log": checkpoint.file("train_log.csv"),
        "training_settings": recipe.training,
        "zero_shot": _folders(with_scores, "zero_shot_scores"),
        "retrieval": _folders(with_scores, "retrieval_scores"),
        "read_photos": {name: _reader(workspace, name) for name in dataset_names(workspace)},
        "adaptation": adaptation.report_facts(workspace),
        "timings": _seconds_by_asset(workspace),
        "recipe": settings_text(recipe),
        "machine": checkpoint.manifest["machine"],
    }


def _own_keys(workspace: Workspace) -> list[str]:
    return [f"{dataset}|{workspace.variant}" for dataset in dataset_names(workspace)]


def _folders(with_scores: Mapping[tuple[str, str], Artifact], asset: str) -> dict[str, Any]:
    return {dataset: artifact.folder for (name, dataset), artifact in with_scores.items() if name == asset}


def _facts_line(workspace: Workspace, checkpoint: Artifact) -> dict[str, str]:
    facts = checkpoint.facts
    return {
        "model": f"{checkpoint.key.partition}, {facts['parameters'] / 1e6:.2f} million parameters",
        "training": f"{facts['training_photos']:,} photos, {facts['steps']:,} steps, {facts['seconds']:,.0f} s",
        "words from": workspace.get("wikipedia_dump").facts["name"],
        "photos from": workspace.recipe.links.source,
    }


def _funnel(workspace: Workspace) -> dict[str, int]:
    """Counts in the order of the flow."""
    words = sum(workspace.get("word_counts", part).facts["occurrences"] for part in dump_parts(workspace))
    links = sum(workspace.get("image_links", bucket).rows["links"] for bucket in bucket_keys(workspace.recipe))
    stored = sum(workspace.get("image_shards", shard).rows["photos"] for shard in shard_keys(workspace))
    pairs = workspace.get("image_text_pairs").rows
    return {
        "words read": words,
        "words kept": workspace.get("vocabulary").rows["words"],
        "links": links,
        "photos found": workspace.get("photo_catalog").rows["photos"],
        "photos stored": stored,
        "photos in pairs": pairs["photos"],
        "pairs": pairs["pairs"],
        "tokens": workspace.get("bpe_tokenizer").rows["tokens"],
    }


def _photo_statuses(workspace: Workspace) -> dict[str, int]:
    statuses: Counter[str] = Counter()
    for shard in shard_keys(workspace):
        statuses.update(workspace.get("image_shards", shard).facts["status"])
    return dict(statuses.most_common())


def _seconds_by_asset(workspace: Workspace) -> dict[str, float]:
    """Seconds that the stored artifacts of the recipe took to build, partitions added up, in the order of the flow."""
    seconds: dict[str, float] = {}
    for asset in ASSETS:
        if asset.on_request or asset.name == REPORT:
            continue
        found = [workspace.store.find(artifact_key(asset.name, key)) for key in partition_keys(workspace, asset)]
        seconds[asset.name] = round(sum(artifact.manifest["seconds"] for artifact in found if artifact), 2)
    return seconds


def _reader(workspace: Workspace, dataset: str):
    """A function from photo ids to {id: file bytes}."""

    def read(ids: Collection[str]) -> Mapping[str, bytes]:
        return stored_dataset(workspace, dataset).read_photos(ids)

    return read


def _inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    scores = {f"{asset}[{key}]": workspace.get(asset, key).content for asset in SCORES for key in _own_keys(workspace)}
    curves = {f"adaptation_curves[{key}]": key for key in adapted_variants(workspace)[:1]}
    return scores | {name: workspace.get("adaptation_curves", key).content for name, key in curves.items()}


def _build_report(context: BuildContext) -> Built:
    from clip_pipeline.evaluation.report.writing import write_report

    facts = report_facts(context.workspace)
    write_report(facts, context.folder)
    # The report tells times and machines, so only its scores are content.
    return Built(rows={"scores": len(facts["scores"])}, sidecars=("*.md", "*.html", "figures/*"))


BUILDERS = {
    REPORT: Builder(
        config=lambda workspace: {},
        inputs=_inputs,
        build=_build_report,
    ),
}
