"""What open_clip_train 3.3 makes of Flickr8k with its defaults in a given time, beside models of ours: recall on the test photos.

    python benchmarks/flickr8k.py --budget 45 --ours MODEL_FOLDER      minutes for open_clip's training; ours is scored only
    python benchmarks/flickr8k.py --budget 45 --peer warmup=500        with one of its settings changed
    python benchmarks/flickr8k.py --budget 0 --ours FOLDER FOLDER      only models that are there

Its defaults: learning rate 5e-4, 10,000 steps of warmup, cosine to 0, weight decay 0.2, batches of 64, no clipping, crops of
90 % of the area or more, a CSV file with a row for each of a photo's five captions, four loader workers, 32 epochs at most. Not its
defaults: the model (--model, with our tokenizer learnt from the training captions, as its own vocabulary of 49,408
tokens would be most of a small model), --device cpu, and bf16 where the processor has it, where the default is fp16. It has
no limit in minutes: a trial of some batches says how many epochs fit into the budget, the schedule is stretched over
them, and what is not finished in time is stopped; the last checkpoint within the budget counts.

Both are scored by the project's own functions on the 1,000 photos of the official test split and their captions; intervals
(95 %) resample photos.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from open_clip_trainer import PRECISIONS, install_webdataset, read_state, trainer_command
from train import SHARED, Photo, read_flickr8k, write_model

TRIAL_BATCHES = 30
BATCH_SIZE = 64
"""open_clip_train's default."""
RECALL_AT = (1, 5, 10)


def write_rows(photos: Sequence[Photo], folder: Path, limit: int | None = None) -> Path:
    """The photos as files and a tab-separated table with a row a caption, as open_clip_train reads it; at most `limit` rows."""
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    rows = [(images / photo.name, caption) for photo in photos for caption in photo.captions][:limit]
    for photo in photos:
        (images / photo.name).write_bytes(photo.content)
    path = folder / ("rows.tsv" if limit is None else f"rows_{limit}.tsv")
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t")
        writer.writerow(("filepath", "title"))
        writer.writerows(rows)
    return path


def run_within(command: list[str], seconds: float, said: Path) -> bool:
    """Runs a command and stops it, with all its processes, after some time; whether it ended by itself.

    What it says goes to the file `said`. Raises SystemExit when it fails.
    """
    with said.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        status = process.wait(max(0.1, seconds))
    except BaseException as error:  # Ctrl-C too, of which a process group of its own is not told
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if isinstance(error, subprocess.TimeoutExpired):
            return False
        raise
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{said.read_text(errors='replace')[-3000:]}")
    return True


def epochs_within(seconds: float, start_up: float, batch_seconds: float, batches: int, most: int) -> int:
    """Whole epochs of `batches` that fit beside the start-up, at least one, at most `most`."""
    return max(1, min(most, math.floor((seconds - start_up) / (batch_seconds * batches))))


def latest_checkpoint(folder: Path) -> tuple[int, Path] | None:
    """(epoch, file) of the last whole checkpoint of open_clip_train's in a folder; None without one."""
    found = sorted((int(path.stem.removeprefix("epoch_")), path) for path in folder.glob("epoch_*.pt"))
    for epoch, path in reversed(found):
        try:
            read_state(path)
        except (RuntimeError, EOFError):  # it was being written when the time was over
            continue
        return epoch, path
    return None


def train_theirs(options: argparse.Namespace, photos: Sequence[Photo], scratch: Path) -> Path:
    """Trains for the budget and returns a model folder of the last checkpoint; says how long it took."""
    from clip_pipeline.training.model.precision import choose_precision

    tokenizer, config = write_model(options.model, photos, scratch)
    rows = sum(len(photo.captions) for photo in photos)
    batches = rows // BATCH_SIZE
    tried = min(TRIAL_BATCHES, batches)
    # the CSV way reads no shards, but open_clip_train imports the older webdataset whatever it reads
    webdataset = install_webdataset(options.environments)
    settings: dict[str, Any] = {
        "dataset-type": "csv",
        "model": Path(options.model).stem,
        "device": "cpu",
        "precision": PRECISIONS[choose_precision(options.precision, "cpu")],
        "seed": options.seed,
        "delete-previous-checkpoint": True,
    } | dict(pair.split("=", 1) for pair in options.peer)

    def command(name: str, table: Path, epochs: int) -> list[str]:
        more = {"train-data": table, "logs": scratch / "logs", "name": name, "epochs": epochs}
        return trainer_command(scratch / f"{name}.json", scratch / "configs", webdataset, settings | more)

    started = time.monotonic()
    run_within(command("trial", write_rows(photos, scratch, tried * BATCH_SIZE), 1), math.inf, scratch / "trial.txt")
    whole = time.monotonic() - started
    steps = json.loads((scratch / "trial.json").read_text())["training"][0]
    epochs = epochs_within(60 * options.budget, whole - steps, steps / tried, batches, options.epochs)
    print(
        f"open_clip_train: a trial of {tried} batches took {steps:.1f} s, {whole - steps:.1f} s around it; "
        f"{epochs} epochs of {batches} steps fit into {options.budget:g} minutes",
        flush=True,
    )
    started = time.monotonic()
    finished = run_within(command("run", write_rows(photos, scratch), epochs), 60 * options.budget, scratch / "run.txt")
    minutes = (time.monotonic() - started) / 60
    checkpoint = latest_checkpoint(scratch / "logs/run/checkpoints")
    if checkpoint is None:
        raise SystemExit(f"No epoch of open_clip_train was finished in {options.budget:g} minutes. Raise --budget.")
    epoch, path = checkpoint
    print(
        f"open_clip_train: {epoch} of {epochs} epochs, {epoch * batches:,} steps, {minutes:.1f} minutes"
        f"{'' if finished else ', stopped there'}",
        flush=True,
    )
    folder = (options.output or scratch) / "open_clip_train"
    write_folder(config, read_state(path), tokenizer, folder)
    return folder


def write_folder(config: dict[str, Any], weights: dict[str, Any], tokenizer: Path, folder: Path) -> None:
    """A model folder of weights that open_clip_train trained with its own preprocessing."""
    from clip_pipeline.models.folder import save_model_folder
    from clip_pipeline.models.preprocessing import preprocess_config
    from clip_pipeline.models.registry import build_model
    from clip_pipeline.models.torchvision_operators import define_missing_operators

    define_missing_operators()
    from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD

    model = build_model(config)
    model.load_state_dict(weights)
    normalised = {"mean": list(OPENAI_DATASET_MEAN), "std": list(OPENAI_DATASET_STD), "resize_mode": "shortest"}
    described = config | {"text_cfg": config["text_cfg"] | {"hf_tokenizer_name": "."}}
    save_model_folder(model, described, preprocess_config(config) | normalised, tokenizer, folder)


def recalls(folder: Path, photos: Sequence[Photo]) -> dict[str, tuple[float, float, float]]:
    """(share, lowest, highest) of each direction and k, of a model folder on photos with their captions."""
    import numpy as np

    from clip_pipeline.embedding.encode import embed_images, embed_texts
    from clip_pipeline.evaluation.retrieval import image_to_text_ranks, text_to_image_ranks
    from clip_pipeline.evaluation.statistics.bootstrap import mean_interval
    from clip_pipeline.models.folder import load_model_folder

    model, preprocess, tokenizer = load_model_folder(folder)
    images = embed_images(model, preprocess, ((photo.name, photo.content) for photo in photos)).matrix_ND
    texts = embed_texts(model, tokenizer, [caption for photo in photos for caption in photo.captions])
    counts = np.array([len(photo.captions) for photo in photos])
    owners = np.repeat(np.arange(len(photos)), counts)
    of_text, _ = text_to_image_ranks(images, texts, owners)
    of_image, _ = image_to_text_ranks(images, texts, owners)
    found = {}
    for k in RECALL_AT:
        hits = np.bincount(owners, weights=of_text < k, minlength=len(photos))
        limits = mean_interval(hits, 1000, 0, counts)
        found[f"text → image recall@{k}"] = (float(hits.sum() / counts.sum()), *limits)
    for k in RECALL_AT:
        hits = of_image < k
        found[f"image → text recall@{k}"] = (float(hits.mean()), *mean_interval(hits, 1000, 0))
    return found


def report(scores: dict[str, dict[str, tuple[float, float, float]]]) -> None:
    """A line a metric, a column a model."""
    names = list(scores)
    print(f"\n{'percent, 95 % interval':<24}" + "".join(f"{name[-26:]:>28}" for name in names))
    for metric in scores[names[0]]:
        cells = [f"{100 * value:.1f} ({100 * low:.1f} – {100 * high:.1f})" for value, low, high in (scores[n][metric] for n in names)]  # fmt: skip
        print(f"{metric:<24}" + "".join(f"{cell:>28}" for cell in cells))


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cache = Path(tempfile.gettempdir()) / "clip_pipeline_benchmarks"
    parser.add_argument("--environments", type=Path, default=cache, help="folder for open_clip_train's webdataset")
    parser.add_argument("--photos-from", type=Path, default=SHARED, help="tar of Flickr8k, with its text files")
    parser.add_argument("--budget", type=float, default=45, help="minutes for open_clip_train; 0 trains nothing")
    parser.add_argument("--epochs", type=int, default=32, help="most epochs; 32 is open_clip_train's default")
    parser.add_argument("--model", default="laptop_medium", help="a name of models/configs/, or a JSON file")
    parser.add_argument("--precision", default="auto", choices=["auto", *PRECISIONS])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--peer",
        nargs="*",
        default=[],
        metavar="NAME=VALUE",
        help="open_clip_train's settings to change, as warmup=500",
    )
    parser.add_argument("--ours", type=Path, nargs="*", default=[], metavar="FOLDER", help="model folders to score too")
    parser.add_argument("--photos", type=int, default=0, help="photos of each split; 0 takes all")
    parser.add_argument("--output", type=Path, help="folder for open_clip_train's model; default: it is not kept")
    return parser.parse_args(arguments)


def main() -> None:
    from clip_pipeline.storage.scratch import scratch_folder

    options = parse_arguments()
    splits = read_flickr8k(options.photos_from, ["train", "test"])
    splits = {split: photos[: options.photos or None] for split, photos in splits.items()}
    scores = {}
    with scratch_folder("flickr8k_benchmark") as scratch:
        if options.budget:
            folder = train_theirs(options, splits["train"], scratch)
            scores["open_clip_train"] = recalls(folder, splits["test"])
    for folder in options.ours:
        scores[str(folder)] = recalls(folder, splits["test"])
    if not scores:
        raise SystemExit("Nothing to do: give a --budget, or model folders with --ours.")
    report(scores)


if __name__ == "__main__":
    main()
