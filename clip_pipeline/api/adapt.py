"""`clip-pipeline adapt`: the whole sweep on a model and a labelled dataset of the user's own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clip_pipeline.adaptation.data import DATA_FILE, FRACTIONS_FILE, open_data
from clip_pipeline.adaptation.preparation import prepare_data
from clip_pipeline.adaptation.results import write_results
from clip_pipeline.adaptation.splits import named_split
from clip_pipeline.adaptation.sweep import run_sweep, sweep_trials
from clip_pipeline.adaptation.trial_context import Trial, TrialContext
from clip_pipeline.adaptation.trials import TRIAL_FILE
from clip_pipeline.evaluation.datasets import Dataset, open_dataset
from clip_pipeline.evaluation.fingerprints import dataset_fingerprint, model_facts
from clip_pipeline.settings import AdaptationSettings, ComputeSettings, EvaluationSettings, fingerprinted
from clip_pipeline.storage.disk import hash_json, sync_tree
from clip_pipeline.storage.published import published_folder, work_folder_of

CODE_VERSION = "1"
"""Raise it when a trial's numbers change: finished trials of an older version are not taken then."""

OF_THE_SWEEP = ("methods", "fractions", "seeds")
"""Settings that say which trials there are and change none of them: a larger sweep keeps the finished ones."""

PLACES = ("dataset", "out_of_domain")
"""Settings that say where photos lie, of which only the split and the photos themselves count."""


def adapt_to(
    model: str,
    settings: AdaptationSettings,
    evaluation: EvaluationSettings,
    compute: ComputeSettings,
    output: Path,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> dict[str, Any]:
    """Runs the sweep on `settings.dataset`, a folder or a name, and writes tables, images and trials into `output`.

    Run again after it was killed, it goes on: finished trials, decoded images and embeddings lie in `output`'s work folder
    until all is done, and a finished `output` lends its trials to a larger sweep. Returns facts. Raises DatasetError,
    ModelError, SettingsError with a sentence for the user.
    """
    with published_folder(output) as (folder, work):
        place = work / _identity(model, settings, evaluation)
        _lend_trials(Path(output), place)
        facts = _prepare(model, settings, compute, place / "data")
        data = open_data(place / "data")
        trials = run_sweep(
            lambda: TrialContext.open(model, data, settings, evaluation, compute),
            sweep_trials(settings),
            place / "trials",
            on_trial,
        )
        facts |= write_results(trials, folder, evaluation.bootstrap_samples)
        for path in trials:
            shutil.copytree(path, folder / "trials" / path.name)
        shutil.copyfile(place / "data" / FRACTIONS_FILE, folder / FRACTIONS_FILE)
        (folder / "identity.txt").write_text(place.name + "\n", encoding="utf-8")
    return facts


def write_so_far(output: Path, evaluation: EvaluationSettings, folder: Path) -> dict[str, Any]:
    """Tables and images of the trials that an unfinished `adapt_to(output)` has finished, written into `folder`.

    Of trials with other settings, which may lie there too, those that were worked on last. Raises MissingArtifactError for none.
    """
    places = sorted(work_folder_of(output).glob("*/trials"), key=lambda path: path.stat().st_mtime)
    trials = [path.parent for place in places[-1:] for path in sorted(place.glob(f"*/{TRIAL_FILE}"))]
    return write_results(trials, folder, evaluation.bootstrap_samples)


def _identity(model: str, settings: AdaptationSettings, evaluation: EvaluationSettings) -> str:
    datasets = [dataset_fingerprint(opened) for opened in _open_datasets(settings) if opened]
    every = fingerprinted(settings)
    config = {name: value for name, value in every.items() if name not in (*OF_THE_SWEEP, *PLACES)}
    splits = [named_split(every[name])[1] for name in PLACES]
    intervals = [evaluation.bootstrap_samples, evaluation.seed]
    return hash_json([CODE_VERSION, model_facts(model)[0], datasets, splits, config, intervals])[:16]


def _open_datasets(settings: AdaptationSettings) -> tuple[Dataset, Dataset | None]:
    far = settings.out_of_domain
    return open_dataset(named_split(settings.dataset)[0]), open_dataset(named_split(far)[0]) if far else None


def _lend_trials(output: Path, place: Path) -> None:
    """Takes over the trials of a finished result of the same model, data and settings."""
    mark = output / "identity.txt"
    (place / "trials").mkdir(parents=True, exist_ok=True)
    if mark.is_file() and mark.read_text(encoding="utf-8").strip() == place.name:
        for path in (output / "trials").iterdir():
            if not (place / "trials" / path.name).exists():
                shutil.copytree(path, place / "trials" / path.name)


def _prepare(model: str, settings: AdaptationSettings, compute: ComputeSettings, folder: Path) -> dict[str, Any]:
    """The shared data, made unless an earlier run made them for the same fractions and seeds."""
    mark, wanted = folder / "sweep.txt", f"{settings.fractions} {settings.seeds}\n"
    if (folder / DATA_FILE).is_file() and mark.is_file() and mark.read_text(encoding="utf-8") == wanted:
        return {}
    staging = folder.with_name(f".{folder.name}.staging")
    for old in (staging, folder):
        shutil.rmtree(old, ignore_errors=True)
    staging.mkdir(parents=True)
    facts = prepare_data(model, *_open_datasets(settings), settings, compute, staging)
    (staging / mark.name).write_text(wanted, encoding="utf-8")
    sync_tree(staging)
    staging.replace(folder)
    return facts
