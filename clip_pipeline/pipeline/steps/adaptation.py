"""adaptation_data → adaptation_scores, a partition a trial (method and fraction) → adaptation_curves, of each training variant; and
their checks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.display.left_out import FACT, LeftOut
from clip_pipeline.errors import SettingsError, nearest_name
from clip_pipeline.pipeline.builder import BuildContext, Builder
from clip_pipeline.pipeline.checks.check import Check, CheckOutcome
from clip_pipeline.pipeline.partitions import adapted_variants, dataset_names, halves, trial_names
from clip_pipeline.pipeline.steps.benchmark_datasets import stored_dataset
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import AdaptationSettings, ComputeSettings, EvaluationSettings, fingerprinted
from clip_pipeline.settings.fields import speed_settings
from clip_pipeline.storage.manifest import Built

if TYPE_CHECKING:
    from clip_pipeline.adaptation.trial_context import TrialContext

OF_DATA = (
    *("dataset", "out_of_domain", "fractions", "seeds", "seed", "train_photos_per_class", "test_photos_per_class"),
    *("out_of_domain_photos_per_class", "validation_percent", "test_percent"),
)
"""Settings that decide the shared data; the others decide the trials."""


# ---- adaptation_data: one a training variant, where the recipe names a dataset


def _datasets(workspace: Workspace) -> list[str]:
    """Names of the datasets, that out of domain last. Raises SettingsError for one that evaluation.datasets lacks."""
    from clip_pipeline.adaptation.splits import named_split

    settings, known = workspace.recipe.adaptation, dataset_names(workspace)
    if not settings.dataset:
        raise SettingsError(
            f"adaptation.dataset is empty, so there is nothing to adapt to. Set it to a labelled one of: {', '.join(known)}."
        )
    names = [named_split(reference)[0] for reference in (settings.dataset, settings.out_of_domain) if reference]
    for name in names:
        if name not in known:
            raise SettingsError(
                f'The adaptation asks for the dataset "{name}", which evaluation.datasets lacks. {nearest_name(name, known)}'
            )
    return names


def _data_config(workspace: Workspace) -> dict[str, Any]:
    config = fingerprinted(workspace.recipe.adaptation)
    return {name: config[name] for name in OF_DATA}


def _data_inputs(workspace: Workspace, variant: str) -> dict[str, str]:
    datasets = {
        f"benchmark_dataset[{name}]": workspace.get("benchmark_dataset", name).content for name in _datasets(workspace)
    }
    return datasets | {f"clip_checkpoint[{variant}]": workspace.get("clip_checkpoint", variant).content}


def _build_data(context: BuildContext) -> Built:
    from clip_pipeline.adaptation.preparation import prepare_data

    workspace = context.workspace
    recipe, datasets = workspace.recipe, [stored_dataset(workspace, name) for name in _datasets(workspace)]
    model = workspace.get("clip_checkpoint", context.partition).folder
    far = datasets[1] if len(datasets) > 1 else None
    left_out = LeftOut()
    facts = prepare_data(str(model), datasets[0], far, recipe.adaptation, recipe.compute, context.folder, left_out)
    del facts[FACT]  # the same number, without a reason
    rows = {name: facts.pop(name) for name in ("train", "validation", "test", "out_of_domain")}
    return Built(rows=rows, facts=facts | left_out.facts())


# ---- adaptation_scores: one partition a trial (method and fraction) and training variant, the seeds inside


def _trial_config(workspace: Workspace) -> dict[str, Any]:
    config = fingerprinted(workspace.recipe.adaptation)
    evaluation = workspace.recipe.evaluation
    kept = {name: value for name, value in config.items() if name not in ("methods", "fractions")}
    return kept | {"bootstrap_samples": evaluation.bootstrap_samples, "bootstrap_seed": evaluation.seed}


def _trial_inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    _, variant = halves(partition)
    return {
        "adaptation_data": workspace.get("adaptation_data", variant).content,
        f"clip_checkpoint[{variant}]": workspace.get("clip_checkpoint", variant).content,
    }


def _trial_context(workspace: Workspace, variant: str) -> TrialContext:
    recipe, data = workspace.recipe, workspace.get("adaptation_data", variant)
    model = workspace.get("clip_checkpoint", variant)
    files = (model.folder, model.content, data.folder, data.content)
    return _open_trial_context(*files, recipe.adaptation, recipe.evaluation, recipe.compute)


@lru_cache(maxsize=1)
def _open_trial_context(
    model: Path,
    model_content: str,
    data: Path,
    data_content: str,
    adaptation: AdaptationSettings,
    evaluation: EvaluationSettings,
    compute: ComputeSettings,
) -> TrialContext:
    """Opened once for all trials of a variant in a run. The content hashes say which model and data lie in the folders."""
    from clip_pipeline.adaptation.data import open_data
    from clip_pipeline.adaptation.trial_context import TrialContext

    return TrialContext.open(str(model), open_data(data), adaptation, evaluation, compute)


def _build_trials(context: BuildContext) -> Built:
    from clip_pipeline.adaptation.sweep import run_sweep, trials_of
    from clip_pipeline.evaluation.scores import SCORES_FILE

    workspace, folder = context.workspace, context.folder
    name, variant = halves(context.partition)
    method, _, percent = name.partition("@")
    trials = trials_of(method, float(percent), workspace.recipe.adaptation)
    paths = run_sweep(lambda: _trial_context(workspace, variant), trials, context.work)
    rows = []
    for trial, path in zip(trials, paths, strict=True):
        name = f"seed{trial.seed}"
        shutil.copytree(path, folder / name)
        for row in json.loads((path / "trial.json").read_text(encoding="utf-8"))["scores"]:
            rows.append(row | {"provenance": row["provenance"] | {"predictions": f"{name}/predictions.parquet"}})
    (folder / SCORES_FILE).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    facts = {f"seed {row['seed']}: {row['split']} {row['metric']}": row["value"] for row in rows}
    return Built(rows={"scores": len(rows)}, facts=facts, sidecars=("*timing.json",))


# ---- adaptation_curves: all trials of a training variant together


def _trial_keys(workspace: Workspace, variant: str) -> list[str]:
    return [f"{trial}|{variant}" for trial in trial_names(workspace.recipe)]


def _curve_inputs(workspace: Workspace, variant: str) -> dict[str, str]:
    return {
        f"adaptation_scores[{key}]": workspace.get("adaptation_scores", key).content
        for key in _trial_keys(workspace, variant)
    }


def _build_curves(context: BuildContext) -> Built:
    from clip_pipeline.adaptation.results import write_results

    workspace = context.workspace
    folders = [workspace.get("adaptation_scores", key).folder for key in _trial_keys(workspace, context.partition)]
    trials = [path for folder_of in folders for path in sorted(folder_of.glob("seed*"))]
    facts = write_results(trials, context.folder, workspace.recipe.evaluation.bootstrap_samples)
    return Built(rows={"trials": facts.pop("trials")}, facts=facts, sidecars=("*.png", "table.csv"))


def report_facts(workspace: Workspace) -> dict[str, Any]:
    """What the report shows: the figure of the curves and the table. Empty where nothing was adapted."""
    from clip_pipeline.adaptation.results import TABLE_HEADER, read_table, table_cells

    artifact, _ = workspace.find("adaptation_curves", workspace.variant)
    if artifact is None or not adapted_variants(workspace):
        return {}
    cells = table_cells(read_table(artifact.folder))
    return {"curve": artifact.file("curve.png"), "header": TABLE_HEADER, "cells": cells}


BUILDERS = {
    "adaptation_data": Builder(
        config=_data_config,
        inputs=_data_inputs,
        build=_build_data,
        speed=speed_settings("compute"),
    ),
    "adaptation_scores": Builder(
        config=_trial_config,
        inputs=_trial_inputs,
        build=_build_trials,
        speed=("compute.device", "compute.threads"),
    ),
    "adaptation_curves": Builder(
        config=lambda workspace: {"bootstrap_samples": workspace.recipe.evaluation.bootstrap_samples},
        inputs=_curve_inputs,
        build=_build_curves,
    ),
}


# ---- checks


def fractions_hold_every_class(workspace: Workspace, partition: str) -> CheckOutcome:
    """Read from the manifest and the table of ids, not from the code that drew them."""
    import pyarrow.parquet as pq

    artifact = workspace.get("adaptation_data", partition)
    manifest = json.loads(artifact.file("fractions.json").read_text(encoding="utf-8"))
    smallest = pq.read_table(artifact.file("fractions.parquet")).to_pylist()
    wrong = []
    for seed, fractions in manifest["seeds"].items():
        for entry in fractions.values():
            held = sum(row["seed"] == int(seed) and row["percent"] <= entry["percent"] for row in smallest)
            if (
                min(entry["per_class"]) < 1
                or len(entry["per_class"]) != len(manifest["classes"])
                or held != entry["photos"]
            ):
                wrong.append(f"{entry['percent']:g} % of seed {seed}")
    checked = sum(map(len, manifest["seeds"].values()))
    found = f"{checked - len(wrong)} of {checked} fractions hold every class and the smaller fractions"
    return CheckOutcome(not wrong, found + _listed(wrong), {"fractions": checked, "wrong": len(wrong)})


def accuracy_does_not_fall(workspace: Workspace, partition: str) -> CheckOutcome:
    artifact = workspace.get("adaptation_curves", partition)
    fallen = json.loads(artifact.file("falls.json").read_text(encoding="utf-8"))
    named = [f"{one['method']} from {one['from']:g} to {one['to']:g} %" for one in fallen]
    found = f"{len(fallen)} times a method is worse with more of the nested photos, beyond the interval"
    return CheckOutcome(not fallen, found + _listed(named), {"falls": len(fallen)})


def _listed(names: Sequence[str]) -> str:
    return f": {', '.join(names[:5])}" if names else ""


ADAPTATION_CHECKS = (
    Check("fractions_hold_every_class", "adaptation_data", "Every fraction has all classes and lies in the next.", True, fractions_hold_every_class),
    Check("accuracy_does_not_fall", "adaptation_curves", "More of the nested photos never make a method worse.", False, accuracy_does_not_fall),
)  # fmt: skip
