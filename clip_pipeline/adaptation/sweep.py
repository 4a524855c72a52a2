"""All trials, one after the other; a killed sweep loses the trial that was running."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from clip_pipeline.adaptation.fractions import parse_percents
from clip_pipeline.adaptation.methods import METHODS, parse_methods
from clip_pipeline.adaptation.options import seeds_of
from clip_pipeline.adaptation.trial_context import Trial, TrialContext
from clip_pipeline.adaptation.trials import TRIAL_FILE, run_trial
from clip_pipeline.machine.progress import progress
from clip_pipeline.settings import AdaptationSettings
from clip_pipeline.storage.checked_json import why_changed, write_sums
from clip_pipeline.storage.disk import sync_tree

logger = logging.getLogger(__name__)


def sweep_trials(settings: AdaptationSettings) -> list[Trial]:
    """Every trial, a whole sweep of the first seed before the second, so that a sweep that is stopped early can be looked at.

    wise_ft comes right after full, whose weights it mixes. Zero-shot has nothing random and so one seed.
    """
    methods, percents, seeds = parse_methods(settings.methods), parse_percents(settings.fractions), seeds_of(settings)
    return [
        trial
        for seed in seeds
        for percent in percents
        for trial in _trials_of(methods, percent, seed, seed == seeds[0])
    ]


def trials_of(method: str, percent: float, settings: AdaptationSettings) -> list[Trial]:
    """The trials of one method and fraction, one a seed."""
    seeds = seeds_of(settings)
    return [trial for seed in seeds for trial in _trials_of((method,), percent, seed, seed == seeds[0])]


def _trials_of(methods: Sequence[str], percent: float, seed: int, is_first: bool) -> list[Trial]:
    last = [name for name in methods if name == "full" or METHODS[name].interpolated]
    ordered = [name for name in methods if name not in last] + last
    return [Trial(method, percent, seed) for method in ordered if method != "zero_shot" or is_first]


def run_sweep(
    open_context: Callable[[], TrialContext],
    trials: Sequence[Trial],
    folder: Path,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> list[Path]:
    """Runs the trials that are not finished below `folder`, and returns the folders of all, in their order.

    open_context: called once, and only where a trial is missing. on_trial: called with each trial that was run.
    """
    missing = [trial for trial in trials if not _is_finished(folder, trial)]
    if missing:
        context = open_context()
        with progress("Adapting", len(missing), "trial") as bar:
            for trial in missing:
                logger.info("Adapting by %s with %g %% of the photos, seed %s", trial.method, trial.percent, trial.seed)
                staging = folder / f".{trial.name}.staging"
                shutil.rmtree(staging, ignore_errors=True)
                run_trial(context, trial, staging)
                sync_tree(staging)
                shutil.rmtree(folder / trial.name, ignore_errors=True)
                # renamed whole: a folder under a trial's name is a finished trial, once its sums hold
                write_sums(staging, sums_file(folder / trial.name))
                staging.replace(folder / trial.name)
                on_trial(trial)
                bar.advance(1, trial.name)
    return [folder / trial.name for trial in trials]


def sums_file(trial: Path) -> Path:
    """Where the checksums of a finished trial lie, beside its folder."""
    return trial.with_name(f".{trial.name}.sums.json")


def _is_finished(folder: Path, trial: Trial) -> bool:
    """Whether a killed sweep finished the trial, and its files are what was written."""
    if not (folder / trial.name / TRIAL_FILE).is_file():
        return False
    why = why_changed(folder / trial.name, sums_file(folder / trial.name))
    if why:
        logger.warning("The finished trial %s is run again: %s", trial.name, why)
    return not why
