"""Commands that score a model or ask it: evaluate, probe, classify."""

from __future__ import annotations

from pathlib import Path

import click

from clip_pipeline.cli.options import CONTEXT, device_option, settings_option, with_device
from clip_pipeline.settings import Recipe, with_settings


@click.command(context_settings=CONTEXT)
@click.option("--model", required=True, type=click.Path(path_type=Path), help="Model folder.")
@click.option("--dataset", required=True, help="A folder of class folders, of photos with captions, or of webdataset tars; or sandbox.")  # fmt: skip
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="scores.json to write.")
@click.option("--batch-size", default=256, show_default=True, help="Photos at a time.")
@device_option
def evaluate(model: Path, dataset: str, output: Path, batch_size: int, device: str) -> None:
    """Score a model: zero-shot on labelled photos, retrieval on photos with captions."""
    from clip_pipeline.pipeline.standalone import evaluate_to

    click.echo(evaluate_to(model, dataset, output, batch_size, with_device(Recipe(), device).compute))
    click.echo(f"Wrote {output}")


@click.command(context_settings=CONTEXT)
@click.option("--model", required=True, help="Model folder, or a name as open_clip writes it.")
@click.option("--dataset", required=True, help="Labelled photos: digits, mnist=FOLDER, cifar10=FOLDER, or a folder of class folders.")  # fmt: skip
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for embeddings, predictions and scores.")  # fmt: skip
@settings_option
@device_option
def probe(model: str, dataset: str, output: Path, assignments: tuple[str, ...], device: str) -> None:
    """Train small classifiers on a model's embeddings and score them: linear, MLP and few-shot probes.

    Official training and test photos are used where the dataset has them, else each split is halved. Writes the photos of
    idx files as .npy, embeddings, predictions (.npy and Parquet) and scores. A killed run goes on where it was.

    \b
    Examples:
      clip-pipeline probe --dataset mnist=mnist/ --model model/ -o probed/
      clip-pipeline probe --dataset pets/ --model model/ -o probed/ --set probe.shots= --set probe.strengths=25
    """
    from clip_pipeline.pipeline.standalone import probe_to

    click.echo(probe_to(model, dataset, output, with_device(with_settings(Recipe(), assignments), device)))
    click.echo(f"Wrote {output}")


@click.command(context_settings=CONTEXT)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=click.Path(path_type=Path))
@click.option("--labels", required=True, help='Labels separated by commas: "a dog, a cat".')
@click.option("--model", required=True, type=click.Path(path_type=Path), help="Model folder.")
@device_option
def classify(images: tuple[Path, ...], labels: str, model: Path, device: str) -> None:
    """Say which label fits each photo best, with probabilities."""
    from clip_pipeline.evaluation.classify import classify_images

    names = [label.strip() for label in labels.split(",") if label.strip()]
    for result in classify_images(model, list(images), names, device):
        click.echo(result.path)
        for label, probability in result.ranked:
            click.echo(f"  {probability:6.1%}  {'█' * round(30 * probability):<30}  {label}")
