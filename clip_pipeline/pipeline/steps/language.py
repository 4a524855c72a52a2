"""character_corpus → character_model, a partition a model and seed → language_scores; and their checks."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import InputError
from clip_pipeline.pipeline.builder import BuildContext, Builder
from clip_pipeline.pipeline.checks.check import Check, CheckOutcome
from clip_pipeline.pipeline.partitions import language_model_keys
from clip_pipeline.pipeline.steps.words import dump_location
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import fingerprinted
from clip_pipeline.settings.sections.pooling import OF_ARCHITECTURE
from clip_pipeline.storage.manifest import Built

if TYPE_CHECKING:
    import numpy as np
    import torch

    from clip_pipeline.sources.wikimedia.dump_files import DumpPart

DUMP = "dump"
OF_CORPUS = ("text", "sha256", "characters")
OF_SCORES = ("context", "stride", "scored_characters")
LISTED = ("models", "seeds", "seed")
"""Settings that say which models there are: each partition has its own."""
LEAK_TOLERANCE, BATCH_TOLERANCE, RATE_TOLERANCE = 1e-5, 1e-5, 0.1
LEAK_CHARACTERS, COMPARED_CHARACTERS = 96, 8192


# ---- character_corpus


def _corpus_config(workspace: Workspace) -> dict[str, Any]:
    config = fingerprinted(workspace.recipe.language)
    return {name: config[name] for name in OF_CORPUS}


def _corpus_inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    from clip_pipeline.language.text8 import looks_like_dump

    text = workspace.recipe.language.text
    if text == DUMP:
        return {"wikipedia_dump": workspace.get("wikipedia_dump").content}
    looks_like_dump(Path(text).expanduser())  # says what is wrong with a file that cannot be read
    return {"the text": workspace.user_files.hash_file(Path(text).expanduser())}


def _build_corpus(context: BuildContext) -> Built:
    from clip_pipeline.language.corpus import write_corpus
    from clip_pipeline.language.text8 import dump_text, read_text8

    settings, facts = context.workspace.recipe.language, {}
    if settings.text == DUMP:
        text, pages = dump_text(_dump_parts(context.workspace), settings.characters)
        facts = {f"pages {name.replace('_', ' ')}": count for name, count in dataclasses.asdict(pages).items()}
    else:
        text = read_text8(Path(settings.text).expanduser(), settings.sha256, settings.characters)
    found = write_corpus(text, context.folder)
    tables = {name: bits for name, bits in found["baselines"].items() if name.startswith("counts@")}
    best = min(tables, key=lambda name: tables[name]["validation"])
    facts |= {
        "characters": found["characters"],
        "is text8": found["is text8"],
        "best table of counts": best,
        "best table of counts, bits per character": tables[best]["test"],
    }
    return Built(rows={"characters": found["characters"]}, facts=facts)


def _dump_parts(workspace: Workspace) -> list[tuple[Path, DumpPart]]:
    """Every part of the dump with the file that it is of. Raises InputError for a dump of HTML, which text8's rules do not read."""
    from clip_pipeline.sources.wikimedia.dump_files import DumpPart
    from clip_pipeline.sources.wikimedia.html_dumps import is_html_dump

    dump = workspace.get("wikipedia_dump")
    records = [
        json.loads(dump.file(name).read_text()) for name in sorted(dump.manifest["files"]) if name.startswith("parts/")
    ]
    parts = [(dump_location(dump, record["file"]), DumpPart.from_json(record)) for record in records]
    for path, _ in parts:
        if is_html_dump(path):
            raise InputError(
                f"{path.name} is a dump of HTML, and text8's rules are for wikitext. Give an XML dump, or a file of such text as language.text."
            )
    return parts


# ---- character_model: one partition a model and seed


def _model_config(workspace: Workspace) -> dict[str, Any]:
    left = (*OF_CORPUS, *LISTED, "stride", "scored_characters")
    config = fingerprinted(workspace.recipe.language)
    rates = {n: value for n, value in fingerprinted(workspace.recipe.pooling).items() if n not in OF_ARCHITECTURE}
    return {name: value for name, value in config.items() if name not in left} | rates


def _model_inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    return {"character_corpus": workspace.get("character_corpus").content}


def _build_model(context: BuildContext) -> Built:
    from clip_pipeline.language.asked import find_asked
    from clip_pipeline.language.corpus import read_corpus
    from clip_pipeline.language.trained import train_language_model
    from clip_pipeline.machine.device import choose_device
    from clip_pipeline.training.model.precision import count_threads

    workspace = context.workspace
    recipe = workspace.recipe
    facts = train_language_model(
        find_asked(recipe.language, context.partition),
        read_corpus(workspace.get("character_corpus").folder),
        recipe.language,
        recipe.pooling,
        context.folder,
        context.work,
        choose_device(recipe.compute.device),
        count_threads(recipe.compute.threads),
    )
    return Built(rows={"steps": facts.pop("steps")}, facts=facts, sidecars=("train_log.csv", "timing.json"))


# ---- language_scores: all of them on the same characters


def _scores_config(workspace: Workspace) -> dict[str, Any]:
    config, evaluation = fingerprinted(workspace.recipe.language), workspace.recipe.evaluation
    kept = {name: config[name] for name in (*LISTED, *OF_SCORES)}
    return kept | {"bootstrap_samples": evaluation.bootstrap_samples, "bootstrap_seed": evaluation.seed}


def _scores_inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    keys = language_model_keys(workspace.recipe)
    models = {f"character_model[{key}]": workspace.get("character_model", key).content for key in keys}
    return {"character_corpus": workspace.get("character_corpus").content} | models


def _build_scores(context: BuildContext) -> Built:
    from clip_pipeline.language.asked import asked_models
    from clip_pipeline.language.comparison import compare_models, verdict, write_comparison
    from clip_pipeline.language.corpus import read_corpus
    from clip_pipeline.language.rivals import rival_sentence

    workspace = context.workspace
    recipe, evaluation = workspace.recipe, workspace.recipe.evaluation
    corpus = read_corpus(workspace.get("character_corpus").folder)
    folders = {model: workspace.get("character_model", model.key).folder for model in asked_models(recipe.language)}
    scored = compare_models(folders, corpus, recipe.language, evaluation.bootstrap_samples, evaluation.seed)
    write_comparison(scored, folders, corpus, context.folder)
    bits = {
        f"{row['key']}: bits per character, test": row["bits_per_character"]
        for row in scored.rows
        if row["split"] == "test"
    }
    sidecars = ("*.png", "table.csv", "timing.json")
    in_short = " ".join(filter(None, (verdict(scored.rows), rival_sentence(scored.pairs))))
    return Built(rows={"scores": len(scored.rows)}, facts={"in short": in_short} | bits, sidecars=sidecars)


_SPEED = ("compute.device", "compute.threads")
BUILDERS = {
    "character_corpus": Builder(config=_corpus_config, inputs=_corpus_inputs, build=_build_corpus),
    "character_model": Builder(config=_model_config, inputs=_model_inputs, build=_build_model, speed=_SPEED),
    "language_scores": Builder(config=_scores_config, inputs=_scores_inputs, build=_build_scores),
}


# ---- checks


def _model_and_text(workspace: Workspace, partition: str, characters: int) -> tuple[torch.nn.Module, np.ndarray]:
    from clip_pipeline.language.corpus import read_corpus
    from clip_pipeline.language.folder import load_language_model

    model, _ = load_language_model(workspace.get("character_model", partition).folder)
    corpus = read_corpus(workspace.get("character_corpus").folder)
    return model, corpus.split("validation")[:characters]


def model_does_not_look_ahead(workspace: Workspace, partition: str) -> CheckOutcome:
    """On real text, with its boundaries, at the length that a check can afford."""
    from clip_pipeline.language.alphabet import VOCABULARY
    from clip_pipeline.language.scoring import model_leaks

    model, ids = _model_and_text(workspace, partition, LEAK_CHARACTERS)
    leaks = model_leaks(model, ids, VOCABULARY)
    largest = max(leak.largest for leak in leaks)
    found = " ".join(leak.sentence(LEAK_TOLERANCE) for leak in leaks)
    return CheckOutcome(largest <= LEAK_TOLERANCE, found, {"largest": largest})


def boundaries_come_at_the_target(workspace: Workspace, partition: str) -> CheckOutcome:
    """Of kinds that have one; the others draw as many as there are."""
    facts = json.loads(workspace.get("character_model", partition).file("training.json").read_text(encoding="utf-8"))
    target, found = facts["target"], facts["shortening"]
    if target is None or partition.startswith("none"):
        return CheckOutcome(True, f"{found:.2f} characters a segment; this kind has no target", {"shortening": found})
    off = abs(target / found - 1)
    sentence = (
        f"{found:.2f} characters a segment on the validation text, {target:g} were aimed at: the rate is {off:.0%} off"
    )
    return CheckOutcome(off <= RATE_TOLERANCE, sentence, {"shortening": found, "target": target})


def scores_do_not_depend_on_the_batch(workspace: Workspace, partition: str) -> CheckOutcome:
    """The same characters twice, and one window at a time instead of 64."""
    import numpy as np

    from clip_pipeline.language.bits import bits_of_characters
    from clip_pipeline.language.scoring import log_probabilities_of

    model, ids = _model_and_text(workspace, partition, COMPARED_CHARACTERS)
    window = max(1, min(workspace.recipe.language.context, len(ids) // 4))
    bits = [
        bits_of_characters(log_probabilities_of(model), ids, window, max(1, window // 2), batch)
        for batch in (64, 64, 1)
    ]
    twice, apart = (float(np.abs(other - bits[0]).max()) for other in bits[1:])
    found = f"{len(bits[0]):,} characters scored twice differ by {twice:.1g} bits at most, one window at a time by {apart:.1g}"
    # bits of single characters, of which the mean differs far less
    return CheckOutcome(
        twice == 0 and abs(float((bits[2] - bits[0]).mean())) <= BATCH_TOLERANCE,
        found,
        {"twice": twice, "apart": apart},
    )


LANGUAGE_CHECKS = (
    Check("model_does_not_look_ahead", "character_model", "No logit changes with what comes after it.", True, model_does_not_look_ahead),
    Check("boundaries_come_at_the_target", "character_model", "The rate of boundaries is within 10 % of the target.", False, boundaries_come_at_the_target),
    Check("scores_do_not_depend_on_the_batch", "character_model", "Evaluation twice, and one text at a time, gives the same bits.", False, scores_do_not_depend_on_the_batch),
)  # fmt: skip
