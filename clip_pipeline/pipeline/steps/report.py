"""The report: what it tells, collected from the manifests and files of the artifacts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from clip_pipeline.display.left_out import added_rows
from clip_pipeline.errors import InputError, Materialise, StoreError
from clip_pipeline.pipeline.assets import ASSETS
from clip_pipeline.pipeline.builder import BuildContext, Builder
from clip_pipeline.pipeline.partitions import (
    adapted_variants,
    bucket_keys,
    dump_parts,
    partition_keys,
    shard_keys,
)
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.steps import adaptation
from clip_pipeline.pipeline.steps.benchmark_datasets import stored_dataset
from clip_pipeline.pipeline.steps.evaluation import SCORES
from clip_pipeline.pipeline.steps.score_states import ScoreState, not_scored, score_keys, score_states, sound_variants
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import settings_text
from clip_pipeline.settings.variants import differing_settings
from clip_pipeline.storage.manifest import Artifact, Built

if TYPE_CHECKING:
    from clip_pipeline.evaluation.report.variants import VariantScores

REPORT = "benchmark_report"
ReadPhotos = Callable[[Collection[str]], Mapping[str, bytes]]


def report_facts(workspace: Workspace) -> dict[str, Any]:
    """The facts of `evaluation.report.write_report`: of one variant, the recipe's own where it is scored, beside all others that are."""
    states = score_states(workspace)
    variants = _variants_of(workspace, states)
    own = next(iter(variants))
    recipe, checkpoint = workspace.of_variant(own).recipe, workspace.get("clip_checkpoint", own)
    with_scores = {
        (state.asset, state.dataset): state.artifact
        for state in states
        if state.variant == own and state.artifact and state.artifact.rows["scores"]
    }
    readers, unreadable = _readers(workspace, sorted({name for _, name in with_scores}))
    adaptations = {name: found for name in variants if (found := adaptation.report_facts(workspace.of_variant(name)))}
    return {
        "title": f"CLIP from scratch: recipe {recipe.name}",
        "model": own,
        "scores": variants[own].rows,
        "facts_line": _facts_line(workspace, checkpoint),
        "funnel": _funnel(workspace),
        "photo_statuses": _photo_statuses(workspace),
        "pairs_by_split": {
            split: count
            for split, count in workspace.get("image_text_pairs").rows.items()
            if split in ("train", "validation", "test")
        },
        "left_out": left_out_of_assets(workspace),
        "training_log": checkpoint.file("train_log.csv"),
        "training_settings": recipe.training,
        "zero_shot": _folders(with_scores, "zero_shot_scores"),
        "retrieval": _folders(with_scores, "retrieval_scores"),
        "read_photos": readers,
        "adaptation": adaptations.pop(own, {}),
        "adaptations_of_variants": adaptations,
        "variants": list(variants.values()),
        "token_pooling": {name: workspace.get("clip_checkpoint", name).facts.get("token_pooling") for name in variants},
        "comparison_seed": recipe.evaluation.seed,
        "not_scored": [*not_scored(workspace, states), *unreadable],
        "timings": _seconds_by_asset(workspace),
        "recipe": settings_text(recipe),
        "machine": checkpoint.manifest["machine"],
    }


def _variants_of(workspace: Workspace, states: Sequence[ScoreState]) -> dict[str, VariantScores]:
    """The variants with scores, the recipe's own first. Raises MissingArtifactError where nothing is scored."""
    from clip_pipeline.evaluation.report.variants import VariantScores
    from clip_pipeline.evaluation.scores import read_scores

    found: dict[str, VariantScores] = {}
    for name in sound_variants(workspace):
        artifacts = [state.artifact for state in states if state.variant == name and state.artifact]
        scores = [(row, one.folder) for one in artifacts for row in read_scores(one.file("scores.json"))]
        if scores and workspace.find("clip_checkpoint", name)[0]:
            changed = differing_settings(workspace.find_variant(name), workspace.own_recipe)
            found[name] = VariantScores(name, changed, scores)
    if not found:
        workspace.get(SCORES[0], score_keys(workspace)[0])
        raise StoreError("No dataset has a score yet, so there is nothing to report.", Materialise(SCORES[0]))
    return found


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


def left_out_of_assets(workspace: Workspace) -> list[list[Any]]:
    """(asset, what, how many, setting, example) of everything that the assets left out, in the order of the flow."""
    found: list[list[Any]] = []
    for asset in ASSETS:
        partitions = workspace.store.partitions(asset.stage, asset.name)
        artifacts = [workspace.store.find(artifact_key(asset.name, partition)) for partition in partitions]
        found += ([asset.name, *row] for row in added_rows(one.facts for one in artifacts if one is not None))
    return found


def _seconds_by_asset(workspace: Workspace) -> dict[str, float]:
    """Seconds that the stored artifacts of the recipe took to build, partitions added up, in the order of the flow."""
    seconds: dict[str, float] = {}
    for asset in ASSETS:
        if asset.on_request or asset.name == REPORT:
            continue
        found = [workspace.store.find(artifact_key(asset.name, key)) for key in partition_keys(workspace, asset)]
        seconds[asset.name] = round(sum(artifact.manifest["seconds"] for artifact in found if artifact), 2)
    return seconds


def _readers(workspace: Workspace, datasets: Iterable[str]) -> tuple[dict[str, ReadPhotos], list[str]]:
    """(by dataset, a function from photo ids to {id: file bytes}; a sentence for each whose files cannot be read any more)"""
    readers: dict[str, ReadPhotos] = {}
    problems = []
    for name in datasets:
        try:
            readers[name] = stored_dataset(workspace, name).read_photos
        except InputError as error:
            problems.append(f"{name} is scored, but its photos cannot be shown: {error.found}")
    return readers, problems


def _inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    """What is not there is an input too: the report says so. Raises MissingArtifactError where nothing is there at all."""
    states = score_states(workspace)
    if not any(state.artifact for state in states):
        workspace.get(SCORES[0], score_keys(workspace)[0])
    scores = {f"{one.asset}[{one.dataset}|{one.variant}]": _identity(one.artifact, one.why) for one in states}
    curves = {
        f"adaptation_curves[{name}]": _identity(workspace.find("adaptation_curves", name)[0], "")
        for name in adapted_variants(workspace)
    }
    return scores | curves


def _identity(artifact: Artifact | None, why: str) -> str:
    if artifact is None:
        return "not there"
    return f"{artifact.content}, stale" if why else artifact.content


def _build_report(context: BuildContext) -> Built:
    from clip_pipeline.evaluation.report.writing import write_report

    facts = report_facts(context.workspace)
    write_report(facts, context.folder)
    # The report tells times and machines, so only its scores are content.
    scores = sum(len(variant.scores) for variant in facts["variants"])
    left_out = {"not scored": facts["not_scored"]} if facts["not_scored"] else {}
    return Built(rows={"scores": scores}, facts=left_out, sidecars=("*.md", "*.html", "figures/*"))


BUILDERS = {
    REPORT: Builder(
        config=lambda workspace: {},
        inputs=_inputs,
        build=_build_report,
    ),
}
