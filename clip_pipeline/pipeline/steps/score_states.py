"""Which variant has a score on which dataset, and why not: what the report names instead of leaving it out."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.errors import ClipPipelineError, InputError, MissingArtifactError, SettingsError, StoreError
from clip_pipeline.pipeline.partitions import adapted_variants, dataset_names, halves, variant_names
from clip_pipeline.pipeline.stages import find_asset
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.steps import benchmark_datasets, embedding, evaluation, training
from clip_pipeline.pipeline.workspace import NEVER, Workspace
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
    variants, datasets = variant_names(workspace), dataset_names(workspace)
    of_variants = {name: why for name in variants if (why := _without_model(workspace, name))}
    of_datasets = {name: why for name in datasets if (why := _without_photos(workspace, name))}
    pairs = {
        (dataset, variant): why
        for dataset in datasets
        for variant in variants
        if variant not in of_variants and dataset not in of_datasets and (why := _of_pair(states, dataset, variant))
    }
    of_variants |= _shared_by_all(
        pairs, {(dataset, variant): variant for dataset, variant in pairs}, len(datasets) - len(of_datasets)
    )
    pairs = {pair: why for pair, why in pairs.items() if pair[1] not in of_variants}
    of_datasets |= _shared_by_all(
        pairs, {(dataset, variant): dataset for dataset, variant in pairs}, len(variants) - len(of_variants)
    )
    pairs = {pair: why for pair, why in pairs.items() if pair[0] not in of_datasets}
    adapted = {name: workspace.find("adaptation_curves", name)[1] for name in adapted_variants(workspace)}
    sentences = [
        *(f"{name}, on all datasets: {why}" for name, why in of_variants.items()),
        *(f"{name}, by all variants: {why}" for name, why in of_datasets.items()),
        *(f"{variant} on {dataset}: {why}" for (dataset, variant), why in pairs.items()),
        *(
            f"{name}, adapted: {'not made yet' if why.endswith(NEVER) else why}"
            for name, why in adapted.items()
            if why and name not in of_variants
        ),
    ]
    return [sentence if sentence.endswith(("?", "!")) else f"{sentence}." for sentence in sentences]


def _of_pair(states: list[ScoreState], dataset: str, variant: str) -> str:
    """Why scores of a variant on a dataset are lacking or old, "" where they are neither."""
    of_pair = [one for one in states if (one.dataset, one.variant) == (dataset, variant)]
    never = [one.asset for one in of_pair if one.artifact is None and one.why.endswith(NEVER)]
    reasons = [one.why for one in of_pair if one.artifact is None and not one.why.endswith(NEVER)]
    if never:
        reasons.append("not scored yet" if len(never) == len(of_pair) else f"{', '.join(never)} not made yet")
    older = [f"older than what is there now ({one.why})" for one in of_pair if one.artifact and one.why]
    return "; ".join(dict.fromkeys([*reasons, *older[:1]]))


def _shared_by_all(
    pairs: dict[tuple[str, str], str], name_of: dict[tuple[str, str], str], count: int
) -> dict[str, str]:
    """The reason that all the `count` pairs of a name share, by that name."""
    shared = {}
    for name in dict.fromkeys(name_of.values()):
        reasons = [why for pair, why in pairs.items() if name_of[pair] == name]
        if count > 1 and len(reasons) == count and len(set(reasons)) == 1:
            shared[name] = reasons[0]
    return shared


def _without_model(workspace: Workspace, variant: str) -> str:
    why = workspace.find("clip_checkpoint", variant)[1]
    return _broken(workspace, variant) or ("not trained yet" if why.endswith(NEVER) else why)


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
    return "not read yet" if why.endswith(NEVER) else why


def _words(error: ClipPipelineError) -> str:
    """What was found, without the full stop."""
    return error.found.rstrip(".")
