"""Ways of adapting a model to labelled photos of the user's own, compared at growing fractions of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_pipeline.adaptation.data import DATA_FILE, FRACTIONS_FILE, open_data
from clip_pipeline.adaptation.preparation import prepare_data
from clip_pipeline.adaptation.results import read_table, write_results
from clip_pipeline.adaptation.splits import named_split
from clip_pipeline.adaptation.sweep import run_sweep, sums_file, sweep_trials
from clip_pipeline.adaptation.trial_context import Trial, TrialContext
from clip_pipeline.adaptation.trials import TRIAL_FILE
from clip_pipeline.evaluation.datasets import Dataset, open_dataset
from clip_pipeline.evaluation.fingerprints import dataset_fingerprint
from clip_pipeline.machine.progress import shown_progress
from clip_pipeline.models.folder import check_model
from clip_pipeline.models.identity import model_facts
from clip_pipeline.settings import AdaptationSettings, ComputeSettings, EvaluationSettings, Recipe, fingerprinted
from clip_pipeline.settings.chosen_recipe import Settings, recipe_of
from clip_pipeline.storage.disk import hash_json, sync_tree
from clip_pipeline.storage.published import check_output_folder, published_folder, work_folder_of

CODE_VERSION = "1"
"""Raise it when a trial's numbers change: finished trials of an older version are not taken then."""

OF_THE_SWEEP = ("methods", "fractions", "seeds")
"""Settings that say which trials there are and change none of them: a larger sweep keeps the finished ones."""

PLACES = ("dataset", "out_of_domain")
"""Settings that say where photos lie, of which only the split and the photos themselves count."""


Datasets = tuple[Dataset, Dataset | None]
"""Of the adaptation, and of the score out of domain."""


@dataclass(frozen=True)
class Adapted:
    """table: the rows of table.csv, one a method and fraction: top1 (0..1) with low and high, photos, learnt (numbers),
    processor_seconds and more. trials: how many were run. falls: times that accuracy falls with more data beyond its interval."""

    table: list[dict[str, Any]]
    trials: int
    falls: int


def adapt(
    model: str | Path,
    dataset: str | Path,
    output: str | Path,
    *,
    out_of_domain: str | None = None,
    methods: str | None = None,
    fractions: str | None = None,
    seeds: int | None = None,
    recipe: str | Recipe = "",
    settings: Settings = (),
    device: str | None = None,
    on_trial: Callable[[Trial], None] = lambda trial: None,
    replace: bool = False,
    progress: bool = False,
) -> Adapted:
    """Compares ways of adapting a model to labelled photos; writes tables, figures and trials into the folder `output`.

    model: a folder, or a name as `load` takes it. dataset: labelled, a folder or a name of `open_dataset`; NAME:SPLIT for one split of
    it. out_of_domain, methods, fractions, seeds: settings of `adaptation`, None leaves them. recipe, settings: of which
    `adaptation`, `evaluation` and `compute` count. device: of compute.device. on_trial: called after each trial. replace: also where `output` holds a comparison of something else. progress: show
    bars on a terminal. Called again after it was killed, it goes on: finished trials, decoded images and embeddings lie in `output`'s
    work folder until all is done, and a finished `output` lends its trials to a larger sweep. LP-FT is Kumar et al. 2022, WiSE-FT
    Wortsman et al. 2022, LoRA Hu et al. 2021. Raises DatasetError, ModelError, SettingsError with a sentence for the user.
    """
    given = {
        "dataset": dataset,
        "out_of_domain": out_of_domain,
        "methods": methods,
        "fractions": fractions,
        "seeds": seeds,
    }
    named = {f"adaptation.{name}": value for name, value in given.items() if value is not None}
    chosen = recipe_of(recipe_of(recipe, named), settings, device)
    with shown_progress(progress):
        facts = _run_sweep(str(model), chosen, Path(output), replace, on_trial)
    return Adapted(read_table(Path(output)), facts["trials"], facts["falls"])


def _run_sweep(
    model: str, recipe: Recipe, output: Path, replace: bool, on_trial: Callable[[Trial], None]
) -> dict[str, Any]:
    settings, evaluation, compute = recipe.adaptation, recipe.evaluation, recipe.compute
    check_output_folder(output)
    check_model(model)
    trials_of_sweep = sweep_trials(settings)
    datasets = _open_datasets(settings)
    fingerprints = [dataset_fingerprint(opened) for opened in datasets if opened]
    identity = _identity(model, fingerprints, settings, evaluation)
    made = {"command": "adapt", "model, photos and settings": identity}
    with published_folder(output, made, replace) as (folder, work):
        place = work / identity
        _lend_trials(output, place)
        _prepare(model, datasets, fingerprints[0], settings, compute, place / "data")
        data = open_data(place / "data")
        trials = run_sweep(
            lambda: TrialContext.open(model, data, settings, evaluation, compute),
            trials_of_sweep,
            place / "trials",
            on_trial,
        )
        facts = write_results(trials, folder, evaluation.bootstrap_samples)
        for path in trials:
            _copy_trial(path, folder / "trials")
        shutil.copyfile(place / "data" / FRACTIONS_FILE, folder / FRACTIONS_FILE)
        (folder / "identity.txt").write_text(place.name + "\n", encoding="utf-8")
    return facts


def write_so_far(output: Path, evaluation: EvaluationSettings, folder: Path) -> dict[str, Any]:
    """Tables and figures of the trials that an unfinished `adapt(…, output)` has finished, written into `folder`.

    Of trials with other settings, which may lie there too, those that were worked on last. Raises MissingArtifactError for none.
    """
    places = sorted(work_folder_of(output).glob("*/trials"), key=lambda path: path.stat().st_mtime)
    trials = [path.parent for place in places[-1:] for path in sorted(place.glob(f"*/{TRIAL_FILE}"))]
    return write_results(trials, folder, evaluation.bootstrap_samples)


def _identity(model: str, photos: list[str], settings: AdaptationSettings, evaluation: EvaluationSettings) -> str:
    """photos: the fingerprints of the datasets."""
    every = fingerprinted(settings)
    config = {name: value for name, value in every.items() if name not in (*OF_THE_SWEEP, *PLACES)}
    splits = [named_split(every[name])[1] for name in PLACES]
    intervals = [evaluation.bootstrap_samples, evaluation.seed]
    return hash_json([CODE_VERSION, model_facts(model)[0], photos, splits, config, intervals])[:16]


def _open_datasets(settings: AdaptationSettings) -> Datasets:
    far = settings.out_of_domain
    return open_dataset(named_split(settings.dataset)[0]), open_dataset(named_split(far)[0]) if far else None


def _lend_trials(output: Path, place: Path) -> None:
    """Takes over the trials of a finished result of the same model, data and settings."""
    mark = output / "identity.txt"
    (place / "trials").mkdir(parents=True, exist_ok=True)
    if mark.is_file() and mark.read_text(encoding="utf-8").strip() == place.name:
        for path in (output / "trials").iterdir():
            if path.is_dir() and not (place / "trials" / path.name).exists():
                _copy_trial(path, place / "trials")


def _copy_trial(trial: Path, folder: Path) -> None:
    """With its checksums, by which it is known to be whole; one of a version without them is run again."""
    shutil.copytree(trial, folder / trial.name)
    if sums_file(trial).is_file():
        shutil.copyfile(sums_file(trial), sums_file(folder / trial.name))


def _prepare(
    model: str,
    datasets: Datasets,
    fingerprint: str,
    settings: AdaptationSettings,
    compute: ComputeSettings,
    folder: Path,
) -> None:
    """The shared data, made unless an earlier run made them for the same fractions and seeds. fingerprint: of the dataset."""
    mark, wanted = folder / "sweep.txt", f"{settings.fractions} {settings.seeds}\n"
    if (folder / DATA_FILE).is_file() and mark.is_file() and mark.read_text(encoding="utf-8") == wanted:
        return
    staging = folder.with_name(f".{folder.name}.staging")
    for old in (staging, folder):
        shutil.rmtree(old, ignore_errors=True)
    staging.mkdir(parents=True)
    prepare_data(model, *datasets, settings, compute, staging, fingerprint=fingerprint)
    (staging / mark.name).write_text(wanted, encoding="utf-8")
    sync_tree(staging)
    staging.replace(folder)
