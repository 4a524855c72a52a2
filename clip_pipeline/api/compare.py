"""Things of one kind beside each other: two sets of scores, trainings, language models of one text."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_pipeline.evaluation.comparison import models
from clip_pipeline.evaluation.comparison.models import Comparison
from clip_pipeline.language.asked import AskedModel, asked_models, form_of
from clip_pipeline.language.comparison import compare_models, verdict, write_comparison
from clip_pipeline.language.corpus import CORPUS_FILE, CharacterCorpus, read_corpus, write_corpus
from clip_pipeline.language.rivals import Pair
from clip_pipeline.language.text8 import looks_like_dump, read_any_text
from clip_pipeline.language.trained import TRAINING_FILE, train_language_model
from clip_pipeline.machine.device import choose_device
from clip_pipeline.machine.progress import shown_progress
from clip_pipeline.settings import Recipe, fingerprinted
from clip_pipeline.settings.chosen_recipe import DEFAULTS, Settings, recipe_of
from clip_pipeline.settings.sections.pooling import OF_ARCHITECTURE
from clip_pipeline.storage.disk import hash_file, hash_json, sync_tree
from clip_pipeline.storage.published import check_output_file, check_output_folder, published_file, published_folder
from clip_pipeline.training.model.precision import count_threads
from clip_pipeline.training.reports.comparison import Run, plot_runs, read_runs

SAMPLES = models.SAMPLES


def compare_scores(
    first: str | Path,
    second: str | Path,
    output: str | Path | None = None,
    *,
    samples: int = SAMPLES,
    seed: int = DEFAULTS.evaluation.seed,
) -> Comparison:
    """Compares two models sample by sample: paired bootstrap, McNemar's exact test, p-values corrected by Holm.

    first, second: scores.json of `evaluate` on the same dataset, or folders with one. output: a figure (.png) to write; the numbers
    go beside it as .json. samples: resamples behind each 95 % interval. seed: of the resampling. Differences are fractions,
    first - second. Raises InputError when they share no score, DatasetError when they are of different photos, ShapeError when
    samples do not join.
    """
    from clip_pipeline.evaluation.comparison.figure import draw_comparison

    for place in () if output is None else (output, Path(output).with_suffix(".json")):
        check_output_file(place)
    found = models.compare_scores(Path(first), Path(second), samples, seed)
    if output is not None:
        with published_file(output) as path:
            draw_comparison(found, path)
        with published_file(Path(output).with_suffix(".json")) as path:
            path.write_text(json.dumps(found.as_json(), indent=1) + "\n", encoding="utf-8")
    return found


def compare_trainings(runs: Sequence[str | Path], output: str | Path | None = None) -> list[Run]:
    """The trainings in model folders, each labelled by what tells it from the first; drawn into `output` (.png) where it is given.

    runs: model folders that `train` or the pipeline wrote. Losses are in nats. Raises InputError for a folder without a log.
    """
    if output is not None:
        check_output_file(output)
    found = read_runs([Path(run) for run in runs])
    if output is not None:
        with published_file(output) as path:
            plot_runs(found, path)
    return found


# ---- language models

LANGUAGE_VERSION = "1"
"""Raise it when a language model or a score of one changes: finished models of an older version are not taken then."""


@dataclass(frozen=True)
class LanguageComparison:
    """rows: of scores.parquet, one a model (or table of counts, or compressor) and split. in_short: whether any model needs fewer bits than a table
    that only counts. pairs: every model beside each that does not pool."""

    rows: list[dict[str, Any]]
    in_short: str
    pairs: list[Pair]


def compare_language_models(
    text: str | Path,
    output: str | Path,
    *,
    models: str | None = None,
    seeds: int | None = None,
    minutes: float | None = None,
    recipe: str | Recipe = "",
    settings: Settings = (),
    device: str | None = None,
    replace: bool = False,
    progress: bool = False,
) -> LanguageComparison:
    """Trains language models on a text and compares their bits per character; writes models, tables and figures into the folder `output`.

    text: a Wikipedia dump (XML, packed or not), of which text is made by text8's rules, or a file of a to z and spaces. models, seeds, minutes: settings of
    `language`, None leaves them. recipe, settings: of which `language`, `pooling`, `evaluation` and `compute` count. device: of compute.device. replace: also
    where `output` holds a comparison of something else. progress: show bars on a terminal. Called again after it was killed, it goes on: finished models,
    and the state of the one that was being trained, lie in `output`'s work folder until all is done. Raises InputError, DumpError, SettingsError with a sentence
    for the user.
    """
    given = {"models": models, "seeds": seeds, "minutes": minutes}
    named = {f"language.{name}": value for name, value in given.items() if value is not None}
    chosen = recipe_of(recipe_of(recipe, named), settings, device)
    asked = asked_models(chosen.language)
    for model in asked:
        form_of(model, chosen.language)  # what cannot be is said before any work
    with shown_progress(progress):
        return _compare_on(Path(text).expanduser(), asked, chosen, Path(output), replace)


def _compare_on(text: Path, asked: list[AskedModel], recipe: Recipe, output: Path, replace: bool) -> LanguageComparison:
    check_output_folder(output)
    looks_like_dump(text)  # says what is wrong with a file that cannot be read
    language, evaluation = recipe.language, recipe.evaluation
    rates = {name: value for name, value in fingerprinted(recipe.pooling).items() if name not in OF_ARCHITECTURE}
    config = [fingerprinted(language), rates, evaluation.bootstrap_samples, evaluation.seed]
    identity = hash_json([LANGUAGE_VERSION, hash_file(text), config])[:16]
    with published_folder(output, {"command": "language", "text and settings": identity}, replace) as (folder, work):
        corpus = _corpus(text, recipe, work / identity / "corpus")
        device, threads = choose_device(recipe.compute.device), count_threads(recipe.compute.threads)
        folders = {}
        for model in asked:
            finished = folders[model] = work / identity / "models" / model.key
            if not (finished / TRAINING_FILE).is_file():
                staging = finished.with_name(f".{finished.name}.staging")
                shutil.rmtree(staging, ignore_errors=True)
                staging.mkdir(parents=True)
                steps = work / identity / "training" / model.key
                train_language_model(model, corpus, language, recipe.pooling, staging, steps, device, threads)
                sync_tree(staging)
                staging.replace(finished)
        scored = compare_models(folders, corpus, language, evaluation.bootstrap_samples, evaluation.seed)
        write_comparison(scored, folders, corpus, folder)
        for model, path in folders.items():
            shutil.copytree(path, folder / "models" / model.key)
    return LanguageComparison(scored.rows, verdict(scored.rows), scored.pairs)


def _corpus(text: Path, recipe: Recipe, folder: Path) -> CharacterCorpus:
    """Made unless an earlier call made it."""
    if not (folder / CORPUS_FILE).is_file():
        staging = folder.with_name(".corpus.staging")
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        write_corpus(read_any_text(text, recipe.language.sha256, recipe.language.characters), staging)
        sync_tree(staging)
        staging.replace(folder)
    return read_corpus(folder)
