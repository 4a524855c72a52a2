"""The user's own files before the first step: what cannot be read is refused in the first seconds, not after the words of a dump are
counted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from clip_pipeline.errors import ClipPipelineError, InputError, SettingsError
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.partitions import variant_names
from clip_pipeline.pipeline.photo_sources.registry import photo_source
from clip_pipeline.pipeline.variants.defined import check_variant
from clip_pipeline.pipeline.workspace import Workspace

logger = logging.getLogger(__name__)


def check_user_files(
    workspace: Workspace,
    assets: Collection[str],
    partition: str = "",
    variants: Sequence[str] = (),
    warn_of: Collection[str] = (),
) -> None:
    """Opens the files that the settings name for these assets, and reads a sample of each.

    partition, variants: the only ones that are built, as of `walk` and `run`; empty is all. Raises InputError, SettingsError: of one file
    its own, of several one sentence for each. What is wrong with a dataset or variant that the settings do not name (it was added to the
    data folder) is a warning, as only its own artifacts fail; so is all that is wrong with the assets of `warn_of`.
    """
    looks: dict[str, Callable[[], None]] = {
        "wikipedia_dump": lambda: _check_dump(workspace),
        "vocabulary": lambda: _check_stop_words(workspace),
        "image_links": lambda: photo_source(workspace).check(),
        "bpe_tokenizer": lambda: _check_tokenizer(workspace),
        "clip_checkpoint": lambda: _check_variants(workspace, variants),
        "benchmark_dataset": lambda: _check_datasets(workspace, partition, "benchmark_dataset" in warn_of),
        "character_corpus": lambda: _check_text(workspace),
        "character_model": lambda: _check_language_models(workspace),
    }
    problems = []
    for asset, look in looks.items():
        problem = _problem_of(look) if asset in assets else None
        if problem is not None and asset in warn_of:
            logger.warning("%s will fail: %s", asset, problem)
        elif problem is not None:
            problems.append(problem)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise InputError("\n".join([f"{len(problems)} things cannot be used as they are:", *map(str, problems)]))


def _problem_of(look: Callable[[], None]) -> ClipPipelineError | None:
    try:
        look()
    except (InputError, SettingsError) as error:
        return error
    except OSError as error:
        return InputError(f"{error.filename} cannot be read ({error.strerror}). Check the name and the rights to it.")
    return None


def _check_dump(workspace: Workspace) -> None:
    settings = workspace.recipe.wikipedia
    if settings.dump == "api":
        from clip_pipeline.sources.wikimedia.api_titles import read_titles

        if settings.titles:
            read_titles(settings)
    elif settings.dump not in ("sandbox", "mirror"):
        from clip_pipeline.sources.wikimedia.dump_set import check_dump_files

        check_dump_files(settings.dump)


def _check_text(workspace: Workspace) -> None:
    from clip_pipeline.language.text8 import check_text
    from clip_pipeline.pipeline.steps.language import DUMP

    if workspace.recipe.language.text != DUMP:
        check_text(Path(workspace.recipe.language.text).expanduser())


def _check_language_models(workspace: Workspace) -> None:
    """Raises SettingsError for a model that could not be built."""
    from clip_pipeline.language.asked import asked_models, form_of

    for model in asked_models(workspace.recipe.language):
        form_of(model, workspace.recipe.language)


def _check_stop_words(workspace: Workspace) -> None:
    from clip_pipeline.words.stop_words import choose_stop_words

    choose_stop_words(workspace.recipe.words.stop_words)


def _check_tokenizer(workspace: Workspace) -> None:
    from clip_pipeline.text.ready_tokenizers import check_tokenizer_folder

    check_tokenizer_folder(workspace.recipe.tokenizer.kind)


def _check_variants(workspace: Workspace, chosen: Sequence[str]) -> None:
    """Raises for a variant that was asked for by name, and for the recipe's own, if it could not be trained."""
    for name in chosen or variant_names(workspace):
        try:
            check_variant(workspace.own_recipe, workspace.find_variant(name))
        except (SettingsError, InputError) as error:
            if chosen or name == workspace.variant:
                raise
            logger.warning("The training variant %s will fail: %s", name, error)


def _check_datasets(workspace: Workspace, partition: str, warn: bool) -> None:
    """Opens the datasets that are made of files. warn: raise for none of them."""
    from clip_pipeline.evaluation.datasets.choice import parse_choices
    from clip_pipeline.pipeline.steps.benchmark_datasets import check_user_dataset

    named = parse_choices(workspace.recipe.evaluation.datasets)
    for name in STEPS["benchmark_dataset"].partitions(workspace):
        if name != (partition or name):
            continue
        try:
            check_user_dataset(workspace, name)
        except (SettingsError, InputError) as error:
            if name in named and not warn:
                raise
            logger.warning("The dataset %s will fail: %s", name, error)
