"""The adaptation study on Food-101, groceries and CIFAR-10 with a small model, and what cached embeddings save a probe.

    python benchmarks/adaptation.py study --model MODEL_FOLDER -o study/     all three, every method, five fractions, three seeds
    python benchmarks/adaptation.py study --model MODEL_FOLDER -o study/ --datasets food --threads 1
    python benchmarks/adaptation.py so-far -o study/                         tables and curves of the trials that are finished
    python benchmarks/adaptation.py cached --model MODEL_FOLDER              seconds of a probe's epoch, cached and not

The study goes on where it was stopped, however it was stopped, when the same command is given again: a trial (method, fraction,
seed) is lost only while it runs. `study/DATASET/` holds curve.png, cost.png, losses.png, alphas.png, table.csv and scores.json
once all its trials are there; `so-far` writes the same below `study/DATASET.so_far/` before that.

Sizes are chosen for a model of some million parameters that sees 64 pixels: about 3,000 photos are 100 %, and a training takes at
most four passes over its photos. All photos come from --photos-from, the tars of ../shared/data.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
BATCH_SIZE = 64
CACHED_EPOCHS = 20


@dataclass(frozen=True)
class Study:
    """One dataset. train, test: most photos a class. far: the dataset on which zero-shot is scored afterwards."""

    tar: str
    train: int
    test: int
    far: str


STUDIES = {
    "food": Study("food101_64px.tar", train=30, test=10, far="cifar"),
    "grocery": Study("grocery_128px.tar", train=0, test=15, far="cifar"),
    "cifar": Study("cifar10_jpg_20k.tar", train=300, test=100, far="food"),
}
FAR_PHOTOS = {"cifar": 50, "food": 5}
"""Most photos a class of the dataset out of domain."""


def settings_of(name: str, photos: Path):
    """The sweep of one dataset."""
    from clip_pipeline.settings import AdaptationSettings

    study = STUDIES[name]
    return AdaptationSettings(
        dataset=str(photos / study.tar),
        out_of_domain=str(photos / STUDIES[study.far].tar),
        fractions="1,10,25,50,100",
        seeds=3,
        train_photos_per_class=study.train,
        test_photos_per_class=study.test,
        out_of_domain_photos_per_class=FAR_PHOTOS[study.far],
        validation_percent=4,
        epochs=4,
        min_steps=40,
        batch_size=BATCH_SIZE,
        learning_rate=5e-4,
        head_lr_mult=10,
        validations=4,
    )


def run_study(options: argparse.Namespace) -> None:
    """Every dataset in its turn; prints a line a trial and, at the end of each, its table."""
    from clip_pipeline.adaptation.results import table_text
    from clip_pipeline.adaptation.trial_context import Trial
    from clip_pipeline.api.adapt import adapt
    from clip_pipeline.settings import ComputeSettings, Recipe

    compute = ComputeSettings(device=options.device, threads=options.threads, workers=options.threads)
    for name in options.datasets:
        settings, began = settings_of(name, options.photos_from), time.monotonic()
        settings = replace(settings, methods=options.methods or settings.methods, seeds=options.seeds)

        def told(trial: Trial, name: str = name, began: float = began) -> None:
            print(f"{name} {trial.name}: finished after {(time.monotonic() - began) / 60:.1f} minutes", flush=True)

        recipe = Recipe(adaptation=settings, compute=compute)
        adapted = adapt(options.model, settings.dataset, options.output / name, recipe=recipe, on_trial=told)
        print(table_text(adapted.table))
        print(
            f"{name}: {adapted.trials} trials, {(time.monotonic() - began) / 60:.1f} minutes in this run\n", flush=True
        )


def show_so_far(options: argparse.Namespace) -> None:
    """Tables and images of what an unfinished study has."""
    from clip_pipeline.adaptation.results import read_table, table_text
    from clip_pipeline.api.adapt import write_so_far
    from clip_pipeline.errors import MissingArtifactError
    from clip_pipeline.settings import EvaluationSettings

    for name in STUDIES:
        folder = options.output / f"{name}.so_far"
        try:
            write_so_far(options.output / name, EvaluationSettings(), folder)
        except MissingArtifactError:
            continue
        print(f"{name}\n{table_text(read_table(folder))}\nWrote {folder}\n")


def measure_cached(options: argparse.Namespace) -> dict[str, float]:
    """Processor seconds of one epoch of the same probe: from the photos' files, from decoded images, from embeddings."""
    import numpy as np

    from clip_pipeline.adaptation.data import open_data
    from clip_pipeline.adaptation.preparation import prepare_data
    from clip_pipeline.evaluation.datasets import open_dataset
    from clip_pipeline.models.folder import open_model
    from clip_pipeline.pixels.preprocess import preprocessing_of
    from clip_pipeline.settings import AdaptationSettings, ComputeSettings
    from clip_pipeline.storage.scratch import scratch_folder

    dataset = open_dataset(options.dataset)
    compute = ComputeSettings(device="cpu", threads=options.threads, workers=options.threads)
    settings = AdaptationSettings(
        dataset=str(options.dataset), fractions="100", seeds=1, test_photos_per_class=1, validation_percent=1,
        train_photos_per_class=max(1, options.photos // len(dataset.class_names)),
    )  # fmt: skip
    with scratch_folder("adaptation_benchmark") as scratch:
        prepare_data(options.model, dataset, None, settings, compute, scratch)
        data = open_data(scratch)
        clip, preprocess, _ = open_model(options.model, "cpu")
        preprocessing, visual = preprocessing_of(preprocess), clip.visual
        rows = data.rows("train")
        row_of = {photo_id: row for row, photo_id in enumerate(dataset.ids)}
        read = [dataset.read(row_of[data.ids[row]]) for row in rows]  # the disk is not measured

        def from_files(places: np.ndarray):
            return visual(preprocessing.tensor([preprocessing.image(read[place]) for place in places]))

        def from_images(places: np.ndarray):
            return visual(data.pixels(data.images[rows[places]], "cpu"))

        def from_embeddings(places: np.ndarray):
            import torch

            return torch.from_numpy(embeddings[places])

        embeddings = data.embeddings[rows]
        labels, classes = data.labels[rows], len(data.about["classes"])
        ways = (
            ("files", from_files, 1),
            ("decoded images", from_images, 1),
            ("embeddings", from_embeddings, CACHED_EPOCHS),
        )
        return {name: _epoch_seconds(features, labels, classes, epochs) for name, features, epochs in ways}


def _epoch_seconds(features: Callable, labels, classes: int, epochs: int) -> float:
    """Processor seconds an epoch of a softmax regression by SGD on unit features, batches of 64, after one batch to warm up."""
    import numpy as np
    import torch
    import torch.nn.functional as F

    with torch.no_grad():
        head = torch.nn.Linear(features(np.arange(2)).shape[1], classes)
    optimizer = torch.optim.SGD(head.parameters(), lr=1.0)
    targets = torch.from_numpy(labels)

    def step(places: np.ndarray) -> None:
        with torch.no_grad():
            unit = F.normalize(features(places).float(), dim=-1)
        loss = F.cross_entropy(head(unit), targets[places])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    random = np.random.default_rng(0)
    step(np.arange(min(BATCH_SIZE, len(labels))))
    began = time.process_time()
    for _ in range(epochs):
        order = random.permutation(len(labels))
        for start in range(0, len(order), BATCH_SIZE):
            step(order[start : start + BATCH_SIZE])
    return (time.process_time() - began) / epochs


def show_cached(options: argparse.Namespace) -> None:
    """The seconds and their ratio to the last way's."""
    if options.threads:
        import torch

        torch.set_num_threads(options.threads)
    seconds = measure_cached(options)
    print(f"{'a probe epoch from':<20} processor seconds   times the cached one")
    for name, value in seconds.items():
        print(f"{name:<20} {value:17.4f}   {value / seconds['embeddings']:20,.0f}")


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("study", "so-far", "cached"))
    parser.add_argument("--model", help="model folder")
    parser.add_argument("-o", "--output", type=Path, help="folder of the study")
    parser.add_argument("--photos-from", type=Path, default=SHARED, help="folder of the three tars")
    parser.add_argument("--datasets", nargs="+", choices=STUDIES, default=list(STUDIES))
    parser.add_argument("--methods", default="", help="with commas between; default: all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="0: one a core")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda", "mps", "auto"))
    parser.add_argument("--dataset", type=Path, default=SHARED / STUDIES["food"].tar, help="photos of `cached`")
    parser.add_argument("--photos", type=int, default=2000, help="photos of `cached`")
    options = parser.parse_args(arguments)
    if options.what != "so-far" and not options.model:
        parser.error("--model is needed")
    if options.what != "cached" and not options.output:
        parser.error("-o is needed")
    return options


def main() -> None:
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # as the command line does, see clip_pipeline/cli/program.py
    options = parse_arguments()
    {"study": run_study, "so-far": show_so_far, "cached": show_cached}[options.what](options)


if __name__ == "__main__":
    main()
