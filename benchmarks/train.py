"""Our training beside open_clip_train 3.3: samples a second, memory, and the loss of both models on the same photos.

    python benchmarks/train.py                        six seeds each, in turn; about thirteen minutes on two quiet cores
    python benchmarks/train.py --model laptop_vit --steps 188 --seeds 0
    python benchmarks/train.py --threads 1            one arithmetic thread each

Both read the same shards (--photos-from, the first caption of each photo of Flickr8k's official training split), and have
the same model configuration, tokenizer, batch size, precision, steps, learning rate, warmup, cosine to 0, weight decay,
betas, gradient clipping and open_clip's default augmentation (crops of 90 % of the area or more). Both validate on the
same photos as they do by themselves: ours ten times, open_clip's after every epoch.

Samples a second are those of the steps alone (from asking for the first batch to the last step, without validation and
checkpoints) and of the whole process (imports, decoding, everything). Memory is the largest sum of the proportional set
sizes (PSS) of all processes. The loss of the final weights is computed here, for both by one function: open_clip's model,
fp32, the same batches. Not worse within noise: the difference of the means is at most two standard errors of it.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import os
import statistics
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from download import measured
from open_clip_trainer import PRECISIONS, install_webdataset, read_state, trainer_command

if TYPE_CHECKING:
    import numpy as np

HERE = Path(__file__).resolve()
SHARED = HERE.parents[2] / "shared" / "data" / "flickr8k_128.tar"
LISTS = {
    "train": "Flickr_8k.trainImages.txt",
    "validation": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}
SHARDS = {"train": 8, "validation": 2}
CONTEXT_OF_OUR_COMMAND = {"GOMP_SPINCOUNT": "20000", "ARROW_DEFAULT_MEMORY_POOL": "system"}
"""What cli.main sets before torch and pyarrow load."""
TARGET_RATIO = 1.3


# ---- the data


@dataclass(frozen=True)
class Photo:
    """One photo with its captions. content: JPEG bytes."""

    name: str
    content: bytes
    captions: tuple[str, ...]


def read_flickr8k(tar_path: Path, splits: Sequence[str]) -> dict[str, list[Photo]]:
    """The photos of the official splits, in the order of their lists, as the tar holds them."""
    contents: dict[str, bytes] = {}
    texts: dict[str, str] = {}
    with tarfile.open(tar_path) as tar:
        for entry in tar:
            name = Path(entry.name).name
            if not entry.isfile() or not name.endswith((".jpg", ".txt")):
                continue
            content = tar.extractfile(entry)
            assert content is not None
            if name.endswith(".jpg"):
                contents[name] = content.read()
            else:
                texts[name] = content.read().decode("utf-8")
    captions = parse_captions(texts["Flickr8k.token.txt"])
    named = {split: [name for name in texts[LISTS[split]].split() if name in contents] for split in splits}
    return {
        split: [Photo(name, contents[name], captions[name]) for name in names if captions.get(name)]
        for split, names in named.items()
    }


def parse_captions(text: str) -> dict[str, tuple[str, ...]]:
    """Captions by photo name, in the order of their numbers, of lines such as `name.jpg#0<tab>A dog runs .`"""
    captions: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, tab, caption = line.partition("\t")
        if tab and caption.strip():
            captions.setdefault(key.partition("#")[0], []).append(" ".join(caption.split()))
    return {name: tuple(found) for name, found in captions.items()}


def write_shards(photos: Sequence[Photo], folder: Path, count: int) -> None:
    """`count` webdataset tars of equal size with the first caption of each photo, and sizes.json."""
    from clip_pipeline.images.shards.tar import write_shard

    folder.mkdir(parents=True)
    size = math.ceil(len(photos) / count)
    sizes = {}
    for number in range(count):
        rows = range(number * size, min((number + 1) * size, len(photos)))
        samples = [
            (f"{row:06d}", {"jpg": photos[row].content, "txt": photos[row].captions[0].encode()}) for row in rows
        ]
        sizes[f"{number:05d}.tar"] = write_shard(folder / f"{number:05d}.tar", samples)
    (folder / "sizes.json").write_text(json.dumps(sizes))


def brace_pattern(folder: Path) -> str:
    """The tars of a folder in open_clip's notation."""
    return f"{folder}/{{00000..{len(list(folder.glob('*.tar'))) - 1:05d}}}.tar"


def write_model(name: str, photos: Sequence[Photo], folder: Path) -> tuple[Path, dict[str, Any]]:
    """A tokenizer learnt from the captions, and the model's configuration with it for open_clip; returns (tokenizer folder, configuration)."""
    from clip_pipeline.models.registry import context_length_of, load_config, with_tokenizer
    from clip_pipeline.settings import TokenizerSettings
    from clip_pipeline.sources.tables.caption_lines import caption_lines
    from clip_pipeline.text.tokenizer import load_tokenizer
    from clip_pipeline.text.tokenizer_folder import train_tokenizer

    config = load_config(name)
    corpus = folder / "captions.txt"
    corpus.write_text("\n".join(caption for photo in photos for caption in photo.captions), encoding="utf-8")
    settings = TokenizerSettings(vocab_size=config["text_cfg"]["vocab_size"])
    length = context_length_of(config)
    train_tokenizer(partial(caption_lines, corpus), settings, length, folder / "tokenizer")
    made = load_tokenizer(folder / "tokenizer")
    fitted = with_tokenizer(config, made.vocab_size, made.pad_id, made.end_id, length)
    fitted["text_cfg"]["hf_tokenizer_name"] = str(folder / "tokenizer")
    (folder / "configs").mkdir()
    (folder / "configs" / f"{Path(name).stem}.json").write_text(json.dumps(fitted))
    return folder / "tokenizer", fitted


# ---- the loss of both, by one function


def validation_arrays(
    photos: Sequence[Photo], size: int, tokenizer: Path, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """((N, 3, S, S) float32 images, (N, L) int64 tokens) of the photos and their first captions."""
    import numpy as np
    from PIL import Image

    from clip_pipeline.text.tokenizer import load_tokenizer

    images = np.empty((len(photos), 3, size, size), dtype=np.float32)
    for row, photo in enumerate(photos):
        with Image.open(io.BytesIO(photo.content)) as opened:
            resized = opened.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
        images[row] = (np.asarray(resized, dtype=np.float32) / 255 - 0.5).transpose(2, 0, 1) / 0.5
    captions = [photo.captions[0] for photo in photos]
    return images, load_tokenizer(tokenizer).encode(captions, length).astype(np.int64)


def loss_of(
    config: dict[str, Any], weights: dict[str, Any], images: np.ndarray, tokens: np.ndarray, batch_size: int
) -> float:
    """Mean contrastive loss, in nats, of a model in open_clip's form: fp32, whole batches in a fixed random order."""
    import numpy as np
    import torch

    from clip_pipeline.models.registry import build_model

    model = build_model(config)
    model.load_state_dict(weights)
    model.eval()
    order = np.random.default_rng(0).permutation(len(images))
    losses = []
    for start in range(0, len(order) - batch_size + 1, batch_size):
        rows = order[start : start + batch_size]
        with torch.no_grad():
            embedded = model.encode_image(torch.from_numpy(images[rows]), normalize=True).double().numpy()
            texts = model.encode_text(torch.from_numpy(tokens[rows]), normalize=True).double().numpy()
        losses.append(contrastive_nats(embedded, texts, float(model.logit_scale.detach().exp())))
    return float(np.mean(losses))


def contrastive_nats(images_ND: np.ndarray, texts_ND: np.ndarray, scale: float) -> float:
    """CLIP's loss of N unit-length pairs: the mean cross entropy of rows and columns of the scaled similarities."""
    import numpy as np

    logits_NN = scale * images_ND @ texts_ND.T
    right_N = np.diag(logits_NN)
    largest = logits_NN.max()
    shifted_NN = np.exp(logits_NN - largest)
    of_images = np.log(shifted_NN.sum(axis=1)) + largest - right_N
    of_texts = np.log(shifted_NN.sum(axis=0)) + largest - right_N
    return float((of_images.mean() + of_texts.mean()) / 2)


# ---- the two trainings


@dataclass(frozen=True)
class Plan:
    """What both trainings have in common. steps: whole epochs of open_clip's loader."""

    model: str
    precision: str
    batch_size: int
    epochs: int
    steps: int
    warmup: int
    learning_rate: float
    weight_decay: float
    threads: int
    workers: int
    folder: str

    @property
    def samples(self) -> int:
        """Pairs that a training sees."""
        return self.steps * self.batch_size


def steps_of_epoch(photos: int, batch_size: int, workers: int) -> int:
    """Batches that open_clip's loader makes of an epoch: rounded up for each of its workers."""
    return math.ceil(math.ceil(photos / batch_size) / max(1, workers)) * max(1, workers)


def run_ours(spec: Path) -> None:
    """Trains in this process, as the `train` command and the pipeline do; writes what it took beside the model."""
    import pyarrow as pa

    from clip_pipeline.records import IMAGE_TEXT_PAIRS
    from clip_pipeline.settings import ComputeSettings, TrainingSettings
    from clip_pipeline.sources.photos.formats.tar_index import read_photos, read_shard
    from clip_pipeline.training.train import train_clip
    from clip_pipeline.training.trainer import Trainer

    described = json.loads(spec.read_text())
    plan, seed, output = Plan(**described["plan"]), described["seed"], Path(described["output"])
    folder = Path(plan.folder)
    rows, tars, ids = [], [], {}
    for split in SHARDS:
        for tar in sorted((folder / split).glob("*.tar")):
            keys = []
            for key, members in read_shard(tar):
                photo_id = f"{split}_{key}"
                keys.append((key, photo_id))
                caption = members["txt"].decode()
                rows.append((photo_id, tar.stem, key, 0, caption, split, photo_id, 128, 128))
            tars.append(tar)
            ids[tar] = dict(keys)
    pairs = pa.table(
        dict(zip(IMAGE_TEXT_PAIRS.names, map(list, zip(*rows, strict=True)), strict=True)), IMAGE_TEXT_PAIRS
    )
    spent: dict[str, float] = {"run": 0.0, "_validate": 0.0, "save": 0.0}
    for name in spent:
        setattr(Trainer, name, _timed(getattr(Trainer, name), name, spent))
    settings = TrainingSettings(
        model=plan.model,
        steps=plan.steps,
        batch_size=plan.batch_size,
        learning_rate=plan.learning_rate,
        warmup_steps=plan.warmup,
        final_lr_percent=0.0,
        weight_decay=plan.weight_decay,
        crop_scale=0.9,
        precision=plan.precision,
        seed=seed,
    )
    facts = train_clip(
        pairs,
        (photo for tar in tars for photo in read_photos([tar], ids[tar])),
        folder / "tokenizer",
        settings,
        ComputeSettings(device="cpu", threads=plan.threads, workers=plan.threads),
        output / "work",
        output / "model",
    )
    spent |= {"steps_alone": spent["run"] - spent["_validate"] - spent["save"]}
    (output / "timings.json").write_text(json.dumps(spent | {"own_loss": facts["final_validation_loss"]}))


def _timed(method: Any, name: str, spent: dict[str, float]) -> Any:
    def call(*arguments: Any) -> Any:
        started = time.monotonic()
        result = method(*arguments)
        spent[name] += time.monotonic() - started
        return result

    return call


def measure_ours(plan: Plan, seed: int, output: Path) -> dict[str, float]:
    """One training of ours in a process of its own; its weights are in `output`/model."""
    output.mkdir(parents=True)
    spec = output / "spec.json"
    spec.write_text(json.dumps({"plan": asdict(plan), "seed": seed, "output": str(output)}))
    figures = measured([sys.executable, str(HERE), "--ours", str(spec)], os.environ | CONTEXT_OF_OUR_COMMAND)
    return figures | {"steps_alone": json.loads((output / "timings.json").read_text())["steps_alone"]}


def measure_theirs(plan: Plan, seed: int, output: Path, webdataset: Path) -> dict[str, float]:
    """One training of open_clip's in a process of its own; its weights are in `output`/logs."""
    output.mkdir(parents=True)
    folder = Path(plan.folder)
    options = {
        "dataset-type": "webdataset",
        "train-data": brace_pattern(folder / "train"),
        "val-data": brace_pattern(folder / "validation"),
        "model": Path(plan.model).stem,
        "device": "cpu",
        "precision": PRECISIONS[plan.precision],
        "batch-size": plan.batch_size,
        "epochs": plan.epochs,
        "workers": plan.workers,
        "lr": plan.learning_rate,
        "warmup": plan.warmup,
        "wd": plan.weight_decay,
        "beta1": 0.9,
        "beta2": 0.98,
        "eps": 1e-6,
        "grad-clip-norm": 1.0,
        "image-mean": [0.5] * 3,
        "image-std": [0.5] * 3,
        "seed": seed,
        "logs": output / "logs",
        "name": "run",
        "save-frequency": 0,
    }
    command = trainer_command(output / "timings.json", folder / "configs", webdataset, options)
    figures = measured(command, os.environ | ({"OMP_NUM_THREADS": str(plan.threads)} if plan.threads else {}))
    steps_alone = sum(json.loads((output / "timings.json").read_text())["training"])
    return figures | {"steps_alone": steps_alone}


# ---- the comparison


@dataclass(frozen=True)
class Comparison:
    """Two samples of losses: is the first not worse than the second within the noise of the seeds?"""

    difference: float
    standard_error: float

    @property
    def verdict(self) -> str:
        """Whether the difference of the means is at most two standard errors, in words."""
        if math.isnan(self.standard_error):
            return "not judged, two seeds or more are needed"
        return "not worse" if self.difference <= 2 * self.standard_error else "WORSE"


def compare_losses(ours: Sequence[float], theirs: Sequence[float]) -> Comparison:
    """Difference of the means (ours - theirs) and its standard error, from the variances of both samples; NaN of one value."""
    variances = [
        statistics.variance(losses) / len(losses) if len(losses) > 1 else math.nan for losses in (ours, theirs)
    ]
    return Comparison(statistics.mean(ours) - statistics.mean(theirs), math.sqrt(sum(variances)))


def report(plan: Plan, runs: dict[str, list[dict[str, float]]]) -> None:
    """Prints medians, ratios, losses and whether the targets are met."""
    for what, key in (("steps alone", "steps_alone"), ("whole process", "seconds")):
        rate = {name: plan.samples / statistics.median(run[key] for run in found) for name, found in runs.items()}
        ratio = rate["ours"] / rate["theirs"]
        met = "met" if ratio >= TARGET_RATIO else "missed"
        print(
            f"{what + ':':<15} clip_pipeline {rate['ours']:6.1f} samples/s, open_clip_train {rate['theirs']:6.1f}: "
            f"{ratio:.2f} times (target {TARGET_RATIO}: {met})"
        )
    memory = {name: statistics.median(run["memory"] for run in found) for name, found in runs.items()}
    print(
        f"memory:         clip_pipeline {memory['ours']:.0f} MB, open_clip_train {memory['theirs']:.0f} MB: "
        f"{memory['ours'] / memory['theirs']:.2f} times"
    )
    losses = {name: [run["loss"] for run in found] for name, found in runs.items()}
    for name, values in losses.items():
        spread = statistics.stdev(values) if len(values) > 1 else math.nan
        each = ", ".join(f"{value:.4f}" for value in values)
        print(f"validation loss {name + ':':<8} mean {statistics.mean(values):.4f}, deviation {spread:.4f} ({each})")
    found = compare_losses(losses["ours"], losses["theirs"])
    print(
        f"difference of the means {found.difference:+.4f}, standard error {found.standard_error:.4f}: "
        f"{found.verdict} (wanted: at most two standard errors; "
        f"guessing is ln {plan.batch_size} = {math.log(plan.batch_size):.4f})"
    )


def make_plan(options: argparse.Namespace, photos: int, folder: Path) -> Plan:
    """The common settings: as many whole epochs as come nearest to the wanted steps."""
    from clip_pipeline.training.model.precision import choose_precision

    an_epoch = steps_of_epoch(photos, options.batch_size, options.workers)
    epochs = max(1, round(options.steps / an_epoch))
    return Plan(
        model=options.model,
        precision=choose_precision(options.precision, "cpu"),
        batch_size=options.batch_size,
        epochs=epochs,
        steps=epochs * an_epoch,
        warmup=max(1, round(0.05 * epochs * an_epoch)),
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        threads=options.threads,
        workers=options.workers,
        folder=str(folder),
    )


def compare(options: argparse.Namespace, scratch: Path) -> None:
    """Both in turn for each seed, then the report."""
    from safetensors.torch import load_file

    from clip_pipeline.models.registry import context_length_of, image_size_of

    webdataset = install_webdataset(options.environments)
    splits = read_flickr8k(options.photos_from, list(SHARDS))
    splits = {split: photos[: options.photos or None] for split, photos in splits.items()}
    for split, photos in splits.items():
        write_shards(photos, scratch / split, SHARDS[split])
    tokenizer, config = write_model(options.model, splits["train"], scratch)
    plan = make_plan(options, len(splits["train"]), scratch)
    images, tokens = validation_arrays(
        splits["validation"], image_size_of(config)[0], tokenizer, context_length_of(config)
    )
    threads = plan.threads or "all"
    print(
        f"{plan.model}, {plan.precision}, {len(splits['train']):,} photos, {plan.steps} steps of {plan.batch_size} "
        f"({plan.epochs} epochs), {os.cpu_count()} cores, threads: {threads}, open_clip's loader workers: {plan.workers}",
        flush=True,
    )
    runs: dict[str, list[dict[str, float]]] = {"ours": [], "theirs": []}
    for round_ in range(options.rounds):
        for seed in options.seeds:
            for name in runs:
                output = scratch / f"{name}_{seed}_{round_}"
                if name == "ours":
                    figures = measure_ours(plan, seed, output)
                    weights = load_file(output / "model" / "open_clip_model.safetensors")
                else:
                    figures = measure_theirs(plan, seed, output, webdataset)
                    weights = read_state(output / f"logs/run/checkpoints/epoch_{plan.epochs}.pt")
                figures["loss"] = loss_of(config, weights, images, tokens, plan.batch_size)
                runs[name].append(figures)
                print(
                    f"  seed {seed} {name:<7} {plan.samples / figures['steps_alone']:7.1f} samples/s, whole process "
                    f"{plan.samples / figures['seconds']:7.1f} ({figures['seconds']:.0f} s, {figures['cpu']:.0f} s of CPU), "
                    f"{figures['memory']:.0f} MB, validation loss {figures['loss']:.4f}",
                    flush=True,
                )
    report(plan, runs)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cache = Path(tempfile.gettempdir()) / "clip_pipeline_benchmarks"
    parser.add_argument("--environments", type=Path, default=cache, help="folder for open_clip_train's webdataset")
    parser.add_argument("--photos-from", type=Path, default=SHARED, help="tar of Flickr8k, with its text files")
    parser.add_argument("--photos", type=int, default=0, help="photos of each split; 0 takes all")
    parser.add_argument("--model", default="laptop_small", help="a name of models/configs/, or a JSON file")
    parser.add_argument("--precision", default="auto", choices=["auto", *PRECISIONS])
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument(
        "--steps", type=int, default=188, help="rounded to whole epochs; in four times as many both overfit"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4, 5])
    parser.add_argument("--rounds", type=int, default=1, help="of all seeds")
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--weight-decay", type=float, default=0.2)
    parser.add_argument("--threads", type=int, default=0, help="arithmetic threads of each; 0 is one a core")
    parser.add_argument("--workers", type=int, default=1, help="open_clip's loader processes")
    parser.add_argument("--ours", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> None:
    from clip_pipeline.storage.scratch import scratch_folder

    options = parse_arguments()
    if options.ours:
        run_ours(options.ours)
        return
    with scratch_folder("train_benchmark") as scratch:
        compare(options, scratch)


if __name__ == "__main__":
    main()
