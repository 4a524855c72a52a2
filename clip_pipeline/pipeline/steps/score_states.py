"""Which variant has a score on which dataset, and why not: what the report names instead of leaving it out."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.errors import ClipPipelineError, InputError, MissingArtifactError, SettingsError, StoreError
from clip_pipeline.pipeline.partitions import adapted_variants, dataset_names, halves, variant_names
from clip_pipeline.pipeline.stages import find_asset
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.steps import benchmark_datasets, embedding, evaluation, training
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.manifest import Artifact

_BUILDERS = {**training.BUILDERS, **benchmark_datasets.BUILDERS, **embedding.BUILDERS, **evaluation.BUILDERS}


@dataclass(frozen=True)
class ScoreState:
    """The scores of one kind, of a variant on a dataset. artifact: None where there are none. why: what changed since, of scores that
    are older than what is there now, or why there are none; "" for others."""

    asset: str
    dataset: str
    variant: str
    artifact: Artifact | None
    why: str = ""


def score_keys(workspace: Workspace) -> list[str]:
    """Keys "dataset|variant", all datasets of a variant before the next variant."""
    return [f"{dataset}|{variant}" for variant in variant_names(workspace) for dataset in dataset_names(workspace)]


def sound_variants(workspace: Workspace) -> list[str]:
    """The variants whose definition can be read; `not_scored` names the others."""
    return [name for name in variant_names(workspace) if not _broken(workspace, name)]


def score_states(workspace: Workspace) -> list[ScoreState]:
    """All kinds of scores of all variants on all datasets, the recipe's own variant first."""
    older = {
        key: why for variant in variant_names(workspace) for key, why in _older_vectors(workspace, variant).items()
    }
    return [
        _state(workspace, asset, key, older[key])
        for variant in variant_names(workspace)
        for asset in evaluation.SCORES
        for key in score_keys(workspace)
        if halves(key)[1] == variant
    ]


def _older_vectors(workspace: Workspace, variant: str) -> dict[str, str]:
    """Why the vectors of a variant are older than what is there now, by the key "dataset|variant"; "" for those that are not."""
    keys = [f"{dataset}|{variant}" for dataset in dataset_names(workspace)]
    older = _why_stale(workspace, "clip_checkpoint", variant)
    return {key: older or _why_stale(workspace, "image_embeddings", key) for key in keys}


def _state(workspace: Workspace, asset: str, key: str, older: str) -> ScoreState:
    dataset, variant = halves(key)
    artifact, missing = workspace.find(asset, key)
    why = missing if artifact is None else older or _why_stale(workspace, asset, key)
    return ScoreState(asset, dataset, variant, artifact, why)


def _why_stale(workspace: Workspace, asset: str, partition: str) -> str:
    """ "" for an artifact that is fresh or not there."""
    step = Step(find_asset(asset), _BUILDERS[asset])
    if workspace.store.find(step.key(partition)) is None:
        return ""
    try:
        return workspace.store.why_stale(step.key(partition), step.wanted(workspace, partition))
    except (StoreError, InputError, SettingsError) as error:
        return _words(error)


def not_scored(workspace: Workspace, states: list[ScoreState]) -> list[str]:
    """A sentence for each variant, dataset or pair of them that has no scores or old ones, with the reason; the widest first."""
    sentences = []
    broken = {name: why for name in variant_names(workspace) if (why := _without_model(workspace, name))}
    sentences += [f"{name}, on all datasets: {why}" for name, why in broken.items()]
    lacking = {name: why for name in dataset_names(workspace) if (why := _without_photos(workspace, name))}
    sentences += [f"{name}, by all variants: {why}" for name, why in lacking.items()]
    for dataset, variant in dict.fromkeys((one.dataset, one.variant) for one in states):
        if variant in broken or dataset in lacking:
            continue
        of_pair = [one for one in states if (one.dataset, one.variant) == (dataset, variant)]
        if missing := dict.fromkeys(one.why for one in of_pair if one.artifact is None):
            sentences.append(f"{variant} on {dataset}: {'; '.join(missing)}")
        if why := next((one.why for one in of_pair if one.artifact and one.why), ""):
            sentences.append(f"{variant} on {dataset} is older than what is there now: {why}")
    for name in adapted_variants(workspace):
        why = workspace.find("adaptation_curves", name)[1]
        if why and name not in broken:
            sentences.append(f"{name}, adapted: {why}")
    return [sentence if sentence.endswith(("?", "!")) else f"{sentence}." for sentence in sentences]


def _without_model(workspace: Workspace, variant: str) -> str:
    return _broken(workspace, variant) or workspace.find("clip_checkpoint", variant)[1]


def _broken(workspace: Workspace, variant: str) -> str:
    try:
        workspace.find_variant(variant)
    except SettingsError as error:
        return _words(error)
    return ""


def _without_photos(workspace: Workspace, dataset: str) -> str:
    """ "" for a dataset that is there; of one that is not, what its definition or its files say, if they say it."""
    artifact, why = workspace.find("benchmark_dataset", dataset)
    if artifact:
        return ""
    try:
        benchmark_datasets.try_to_open(workspace, dataset)
    except (InputError, SettingsError) as error:
        return _words(error)
    except MissingArtifactError as error:
        return error.found.rstrip(".")
    return why


def _words(error: ClipPipelineError) -> str:
    """What was found, without the full stop."""
    return error.found.rstrip(".")
