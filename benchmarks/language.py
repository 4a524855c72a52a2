"""Language models of characters that pool their tokens beside those that do not: bits, rates, times, memory, on the beginning of text8.

    python benchmarks/language.py TEXT                              all parts; about two hours of one core
    python benchmarks/language.py TEXT --parts minutes --minutes 1  one part, shorter trainings
    python benchmarks/language.py TEXT --parts report               the tables and figures of what is trained in --out

speed       a training step and a forward pass of every kind beside six plain layers, in turn in one process, and the peak memory of each in
            a process of its own: 8 stretches of 512 characters, layers 1, 4, 1
minutes     every model trained for the same processor time: as many steps as fit by the times of all models' steps, taken in turn; three seeds of the first five
long        the best of them and their rival of equal step time for --long-minutes
rates       router and gumbel at several targets, --rate-minutes each: characters a segment that are aimed at and found
characters  every model trained on as many characters as six plain layers see in their minutes
coder       10,000 characters of the test text through the arithmetic coder and back, by a trained model
report      tables and figures of each part, with paired intervals

TEXT: a file of a to z and spaces, such as text8 or its beginning. Plain layers are called none@LAYERS. One thread; times are of the processor. A killed run goes on
where it was: trainings that are done stay in --out.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PARTS = ("speed", "minutes", "long", "rates", "characters", "coder", "report")
COMPARED = ("minutes", "long", "characters")
SEEDED = ("none@6", "none@3", "whitespace", "router@4", "fixed@4")
ONCE = ("unigram", "entropy", "gumbel@4", "fixed@2")
RATES = ("router@2", "router@6", "gumbel@2", "gumbel@4", "gumbel@6")
LONG = ("whitespace", "none@3")
TIMED = ("none@6", "none@3", *SEEDED[2:], *ONCE)
SEEDS = 3
SPEED_STEPS, ROUNDS = 3, 7
MEMORY_STEPS = 80
CODED = (100, 100)
"""Texts and their characters."""


def settings_of(**changes: Any) -> Any:
    """Those of all trainings here: layers 2, 4, 1 where a model pools, 2 stretches of 512 characters a step."""
    from clip_pipeline.settings import LanguageSettings

    whole: dict[str, Any] = {
        "layers": "2,4,1",
        "batch_size": 2,
        "context": 512,
        "learning_rate": 3e-3,
        "validation_characters": 10_000,
    }
    return LanguageSettings(**whole | changes)


def asked(name: str, seed: int, settings: Any) -> Any:
    """The model of that name."""
    from clip_pipeline.language.asked import asked_models

    return asked_models(dataclasses.replace(settings, models=name, seed=seed, seeds=1))[0]


def corpus_of(options: argparse.Namespace) -> Any:
    """The text as a corpus, made once."""
    from clip_pipeline.language.corpus import CORPUS_FILE, read_corpus, write_corpus
    from clip_pipeline.language.text8 import read_text8

    folder = options.out / "corpus"
    if not (folder / CORPUS_FILE).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_corpus(read_text8(options.text, "", 0), folder)
    return read_corpus(folder)


def training_corpus(corpus: Any, name: str) -> Any:
    """What a trainer wants; pieces for `unigram` are made from the training text alone."""
    from clip_pipeline.language.training import Corpus
    from clip_pipeline.language.unigram import unigram_targets

    train = corpus.split("train")
    targets = unigram_targets(corpus.text[: len(train)]) if name.startswith("unigram") else None
    return Corpus(train, corpus.split("validation"), targets)


def trainers(names: Sequence[str], corpus: Any, settings: Any) -> dict[str, Any]:
    """One a name, whose steps can be timed."""
    from clip_pipeline.language.asked import form_of, training_of
    from clip_pipeline.language.training import LanguageTrainer
    from clip_pipeline.settings import PoolingSettings

    made = {}
    for name in names:
        model = asked(name, 0, settings)
        training = dataclasses.replace(
            training_of(model, settings, PoolingSettings()), validation_characters=0, raise_percent=0.0
        )
        made[name] = LanguageTrainer(form_of(model, settings), training, training_corpus(corpus, name))
    return made


def step_times(names: Sequence[str], corpus: Any, settings: Any, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Milliseconds of a step of each, in turn: the means of a few in each round but the first."""
    from clip_pipeline.language.training import language_arithmetic

    found: dict[str, list[float]] = {name: [] for name in names}
    chance = random.Random(0)
    with language_arithmetic(0, "cpu", 1):
        made = trainers(names, corpus, settings)
        for number in range(rounds + 1):
            for name in chance.sample(list(names), len(names)):
                seconds = made[name].step_seconds(SPEED_STEPS)
                if number:
                    found[name].append(1000 * statistics.mean(seconds))
    return found


def forward_times(names: Sequence[str], corpus: Any, settings: Any) -> dict[str, list[float]]:
    """Milliseconds of a forward pass at evaluation over as much text as a step has, in turn."""
    import numpy as np
    import torch

    from clip_pipeline.language.asked import form_of
    from clip_pipeline.language.model import build_model
    from clip_pipeline.language.scoring import at_evaluation
    from clip_pipeline.language.training import language_arithmetic

    shape = (settings.batch_size, settings.context)
    ids = corpus.split("test")[: shape[0] * shape[1]].reshape(shape).astype(np.int64)
    found: dict[str, list[float]] = {name: [] for name in names}
    chance = random.Random(0)
    with language_arithmetic(0, "cpu", 1):
        torch.manual_seed(0)
        models = {name: build_model(form_of(asked(name, 0, settings), settings)) for name in names}
        for number in range(ROUNDS + 1):
            for name in chance.sample(list(names), len(names)):
                with at_evaluation(models[name]):
                    before = time.process_time()
                    for _ in range(SPEED_STEPS):
                        models[name](torch.from_numpy(ids))
                if number:
                    found[name].append(1000 * (time.process_time() - before) / SPEED_STEPS)
    return found


def peak_memory(name: str, options: argparse.Namespace) -> float:
    """Megabytes that a process of its own needs at most for some steps."""
    command = [sys.executable, __file__, str(options.text), "--out", str(options.out), "--memory-of", name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def measure_memory(name: str, options: argparse.Namespace) -> None:
    """Of this process: prints its megabytes."""
    from clip_pipeline.language.training import language_arithmetic
    from clip_pipeline.training.reports.throughput import peak_memory_bytes

    settings = speed_settings()
    with language_arithmetic(0, "cpu", 1):
        trainers([name], corpus_of(options), settings)[name].step_seconds(MEMORY_STEPS)
    print(peak_memory_bytes("cpu") / 1e6)


def speed_settings() -> Any:
    """The shape at which times and memory are compared."""
    return settings_of(layers="1,4,1", batch_size=8)


def take_speed(corpus: Any, options: argparse.Namespace) -> None:
    """Writes speed.json."""
    path = options.out / "speed.json"
    if path.is_file():
        return
    settings = speed_settings()
    names = ("none@6", "none@3", "whitespace", "fixed@4", "fixed@5", "router@5", "gumbel@5", "entropy", "unigram")
    found: dict[str, Any] = {
        "step": step_times(names, corpus, settings),
        "forward": forward_times(("none@6", "none@3", "whitespace", "fixed@4", "fixed@5"), corpus, settings),
        "megabytes": {name: peak_memory(name, options) for name in ("none@6", "whitespace", "fixed@4", "router@5")},
    }
    path.write_text(json.dumps(found, indent=1) + "\n")


def steps_in_minutes(corpus: Any, options: argparse.Namespace) -> dict[str, float]:
    """Milliseconds of a step of every model, measured once: what a minute holds."""
    path = options.out / "steps.json"
    if not path.is_file():
        found = step_times(tuple(dict.fromkeys((*TIMED, *RATES))), corpus, settings_of())
        medians = {name: statistics.median(times) for name, times in found.items()}
        path.write_text(json.dumps(medians, indent=1) + "\n")
    return json.loads(path.read_text())


def train(part: str, name: str, seed: int, steps: int, corpus: Any, options: argparse.Namespace) -> Path:
    """The folder of a training, done now or before."""
    from clip_pipeline.language.trained import TIMING_FILE, train_language_model
    from clip_pipeline.settings import PoolingSettings

    settings = settings_of(steps=steps)
    model = asked(name, seed, settings)
    folder = options.out / part / model.key
    if (folder / TIMING_FILE).is_file():
        return folder
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    facts = train_language_model(
        model, corpus, settings, PoolingSettings(), folder, options.out / "work" / part / model.key
    )
    took = json.loads((folder / TIMING_FILE).read_text())["processor_seconds"]
    print(f"{part:11}{model.key:15}{steps:6,} steps, {took:6.0f} s of processor, {time.monotonic() - began:6.0f} s; {facts['shortening']:.3f} characters a segment", flush=True)  # fmt: skip
    return folder


def trainings_of(part: str, corpus: Any, options: argparse.Namespace) -> list[tuple[str, int, int]]:
    """(name, seed, steps) of a part, in the order in which they are made."""
    ms = steps_in_minutes(corpus, options)

    def fit(name: str, minutes: float) -> int:
        return max(1, round(60_000 * minutes / ms[name]))

    every = [(name, seed) for seed in range(SEEDS) for name in SEEDED] + [(name, 0) for name in ONCE]
    if part == "minutes":
        return [(name, seed, fit(name, options.minutes)) for name, seed in every]
    if part == "long":
        return [(name, 0, fit(name, options.long_minutes)) for name in LONG]
    if part == "rates":
        return [(name, 0, fit(name, options.rate_minutes)) for name in RATES]
    return [(name, seed, fit("none@6", options.minutes)) for name, seed in every]


def code_text(corpus: Any, options: argparse.Namespace) -> None:
    """Writes coder.json: what the model claims, and what its code takes, from which the text must come back."""
    import numpy as np

    from clip_pipeline.language.alphabet import VOCABULARY
    from clip_pipeline.language.coder import decode_texts, encode_texts
    from clip_pipeline.language.folder import load_language_model
    from clip_pipeline.language.scoring import log_probabilities_of, next_probabilities_of
    from clip_pipeline.language.training import language_arithmetic

    part, name = ("long", LONG[0]) if (options.out / "long").is_dir() else ("minutes", SEEDED[2])
    folder = options.out / part / asked(name, 0, settings_of()).key
    model, _ = load_language_model(folder)
    texts, length = CODED
    ids_BL = corpus.split("test")[: texts * length].reshape(texts, length).astype(np.int64)
    with language_arithmetic(0, "cpu", 1):
        claimed = -log_probabilities_of(model)(ids_BL).sum() / np.log(2) + texts * np.log2(VOCABULARY)
        following = next_probabilities_of(model, VOCABULARY)
        began = time.process_time()
        code = encode_texts(ids_BL, following)
        back_BL = decode_texts(code, texts, length, following)
    found = {
        "model": f"{part}/{folder.name}",
        "characters": ids_BL.size,
        "bits claimed": float(claimed),
        "bits of the code": 8 * len(code),
        "more than claimed": 8 * len(code) / float(claimed) - 1,
        "came back": bool(np.array_equal(back_BL, ids_BL)),
        "processor seconds": time.process_time() - began,
    }
    (options.out / "coder.json").write_text(json.dumps(found, indent=1) + "\n")


def report(corpus: Any, options: argparse.Namespace) -> None:
    """Prints what is measured; tables and figures of each part go to its own folder in --out/report."""
    from clip_pipeline.language.comparison import compare_models, table_text, verdict, write_comparison
    from clip_pipeline.language.rivals import pairs_text, rival_sentence
    from clip_pipeline.language.trained import TIMING_FILE

    if (options.out / "speed.json").is_file():
        print_speed(json.loads((options.out / "speed.json").read_text()))
    for part in options.of:
        settings = settings_of()
        models = {}
        for name, seed, _ in trainings_of(part, corpus, options):
            model = asked(name, seed, settings)
            if (options.out / part / model.key / TIMING_FILE).is_file():
                models[model] = options.out / part / model.key
        if not models:
            continue
        scored = compare_models(models, corpus, settings, samples=2000, seed=0)
        folder = options.out / "report" / part
        folder.mkdir(parents=True, exist_ok=True)
        write_comparison(scored, models, corpus, folder)
        print(f"\n{part}\n{table_text(scored.rows)}\n\n{pairs_text(scored.pairs)}\n")
        for split in ("validation", "test"):
            best = min((row for row in scored.rows if row["split"] == split), key=lambda row: row["bits_per_character"])
            print(f"fewest bits, {split}: {best['key']} {best['bits_per_character']:.3f}")
        print(verdict(scored.rows), rival_sentence(scored.pairs), flush=True)
    print_rates(options)
    if (options.out / "coder.json").is_file():
        print(f"\ncoder: {(options.out / 'coder.json').read_text()}")


def print_speed(found: dict[str, Any]) -> None:
    """Markdown: medians, how many times as fast as six plain layers, and the least and largest."""
    print("| 8 × 512 characters, fp32 | step | forward | peak memory |\n|---|---|---|---|")
    for name, times in found["step"].items():
        cells = [times_cell(times, found["step"]["none@6"])]
        forward = found["forward"].get(name)
        cells.append(times_cell(forward, found["forward"]["none@6"]) if forward else "–")
        megabytes = found["megabytes"].get(name)
        cells.append(f"{megabytes:.0f} MB" if megabytes else "–")
        print(f"| {name} | " + " | ".join(cells) + " |")


def times_cell(times: list[float], plain: list[float]) -> str:
    """The median, how many times as fast as the other, and the range."""
    faster = statistics.median(plain) / statistics.median(times)
    return f"{statistics.median(times):.0f} ms, {faster:.2f}× ({min(times):.0f} to {max(times):.0f})"


def print_rates(options: argparse.Namespace) -> None:
    """Characters a segment that were aimed at and found in the validation text, of every training that has a target."""
    from clip_pipeline.language.trained import TRAINING_FILE

    print("\n| part | model | aimed at | found | the rate is off by |\n|---|---|---|---|---|")
    for part in ("rates", "minutes", "long", "characters"):
        for path in sorted((options.out / part).glob(f"*/{TRAINING_FILE}")):
            facts = json.loads(path.read_text())
            if facts["target"]:
                off = facts["target"] / facts["shortening"] - 1
                print(f"| {part} | {path.parent.name} | {facts['target']:g} | {facts['shortening']:.3f} | {off:+.1%} |")


def main(arguments: list[str] | None = None) -> None:
    """Measures what the options say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--minutes", type=float, default=2.0, help="processor minutes of each training")
    parser.add_argument("--long-minutes", type=float, default=25.0)
    parser.add_argument("--rate-minutes", type=float, default=4.0)
    parser.add_argument("--of", nargs="+", choices=COMPARED, default=list(COMPARED), help="parts that report scores")
    parser.add_argument("--out", type=Path, default=Path("/tmp/clip_pipeline_benchmarks/language"))
    parser.add_argument("--memory-of", default="", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if options.memory_of:
        measure_memory(options.memory_of, options)
        return
    corpus = corpus_of(options)
    for part in options.parts:
        if part == "speed":
            take_speed(corpus, options)
        elif part == "coder":
            code_text(corpus, options)
        elif part == "report":
            report(corpus, options)
        else:
            for name, seed, steps in trainings_of(part, corpus, options):
                train(part, name, seed, steps, corpus, options)


if __name__ == "__main__":
    main()
