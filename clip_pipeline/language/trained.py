"""One training of a language model from a corpus to a folder.

language_model.json, model.safetensors   the model (`folder.py`)
train_log.csv                            losses, rates, bits; times, which differ from run to run
training.json                            steps, parameters, the rate of boundaries on the validation text
timing.json                              what a step took
"""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
from pathlib import Path
from typing import Any

from clip_pipeline.language.asked import WITH_TARGET, AskedModel, form_of, training_of
from clip_pipeline.language.corpus import CharacterCorpus
from clip_pipeline.language.folder import save_language_model
from clip_pipeline.language.model import ModelForm
from clip_pipeline.language.scoring import found_rate
from clip_pipeline.language.training import Corpus, LanguageTrainer, LanguageTraining, language_arithmetic
from clip_pipeline.language.unigram import unigram_targets
from clip_pipeline.pooling.predictors import UNIGRAM
from clip_pipeline.settings import LanguageSettings, PoolingSettings
from clip_pipeline.storage.disk import write_synced
from clip_pipeline.training.reports.log import LOG_FILE

logger = logging.getLogger(__name__)

TRAINING_FILE, TIMING_FILE, STEPS_FILE = "training.json", "timing.json", "steps.json"
MEASURED_STEPS = 12
"""Of which the first two, when memory is taken and kernels are chosen, do not count."""
RATE_CHARACTERS = 100_000


def train_language_model(
    model: AskedModel,
    text: CharacterCorpus,
    settings: LanguageSettings,
    pooling: PoolingSettings,
    folder: Path,
    work: Path,
    device: str = "cpu",
    threads: int = 1,
) -> dict[str, Any]:
    """Trains one and writes its folder; returns what training.json says. work: survives a kill, and the next try goes on from there."""
    form, training = form_of(model, settings), training_of(model, settings, pooling)
    first, end = 0, len(text.split("train"))
    targets = unigram_targets(text.text[first:end]) if model.kind == UNIGRAM else None
    corpus = Corpus(text.split("train"), text.split("validation"), targets)
    corpus.require(form, training)
    work.mkdir(parents=True, exist_ok=True)
    with language_arithmetic(training.seed, device, threads):
        if settings.minutes:
            training = dataclasses.replace(
                training, steps=_steps_that_fit(form, training, corpus, device, settings.minutes, work)
            )
        trainer = LanguageTrainer(form, training, corpus, device)
        trainer.run(work)
        rate = found_rate(trainer.model, corpus.validation[:RATE_CHARACTERS], training.context)
    save_language_model(trainer.model, form, folder)
    shutil.copyfile(work / LOG_FILE, folder / LOG_FILE)
    facts = {
        "steps": training.steps,
        "characters": training.steps * training.batch * training.context,
        "parameters": sum(weight.numel() for weight in trainer.model.parameters()),
        "shortening": 1.0 if rate is None else rate.shortening,
        "target": model.number if model.kind in WITH_TARGET else None,
    }
    (folder / TRAINING_FILE).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    timing = {
        "processor_seconds": trainer.spent,
        "ms_per_step": 1000 * trainer.spent / training.steps,
        "threads": threads,
    }
    (folder / TIMING_FILE).write_text(json.dumps(timing, indent=1) + "\n", encoding="utf-8")
    return facts


def _steps_that_fit(
    form: ModelForm, training: LanguageTraining, corpus: Corpus, device: str, minutes: float, work: Path
) -> int:
    """Steps that take so many processor minutes, by those of a few; kept, so that a killed training goes on with as many."""
    kept = work / STEPS_FILE
    if kept.is_file():
        return int(json.loads(kept.read_text(encoding="utf-8")))
    short = dataclasses.replace(training, steps=MEASURED_STEPS, validation_characters=0)
    trial = LanguageTrainer(form, short, corpus, device)
    seconds = trial.step_seconds(MEASURED_STEPS)[2:]
    steps = max(1, round(60 * minutes / (sum(seconds) / len(seconds))))
    part = kept.with_name(f"{kept.name}.part")
    write_synced(part, f"{steps}\n")
    part.replace(kept)  # killed before, it is measured again
    logger.warning("%s: %s steps fit into %g processor minutes (language.minutes)", form.kind, f"{steps:,}", minutes)
    return steps
