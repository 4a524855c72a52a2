"""Commands that score a model or ask it: evaluate, probe, classify."""

from __future__ import annotations

from pathlib import Path

import click

from clip_pipeline.cli.options import CONTEXT, device_option, settings_option, with_device
from clip_pipeline.settings import Recipe, with_settings


@click.command(context_settings=CONTEXT)
@click.option("--model", required=True, help="Model folder, or a name as open_clip writes it.")
@click.option("--dataset", required=True, help="A name (sandbox, digits), NAME=PATH (cifar10=FOLDER), or a path; see clip-pipeline datasets.")  # fmt: skip
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="scores.json to write; predictions and CLIP_benchmark's files go into a folder beside it.")  # fmt: skip
@settings_option
@device_option
def evaluate(model: str, dataset: str, output: Path, assignments: tuple[str, ...], device: str) -> None:
    """Score a model: zero-shot on labelled photos, retrieval on photos with captions.

    \b
    Examples:
      clip-pipeline evaluate --model model/ --dataset pets/ -o scores.json
      clip-pipeline evaluate --model model/ --dataset pets/ -o scores.json --set evaluation.templates=own,imagenet80
    """
    from clip_pipeline.pipeline.standalone import evaluate_to

    recipe = with_device(with_settings(Recipe(), assignments), device)
    click.echo(evaluate_to(model, dataset, output, recipe))
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
      clip-pipeline probe --dataset pets/ --model model/ -o probed/ --set probe.shots= --set probe.inverse_regularizations=25
    """
    from clip_pipeline.pipeline.standalone import probe_to

    click.echo(probe_to(model, dataset, output, with_device(with_settings(Recipe(), assignments), device)))
    click.echo(f"Wrote {output}")


@click.command(context_settings=CONTEXT)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=click.Path(path_type=Path))
@click.option("--labels", default="", help='Labels separated by commas: "a dog, a cat".')
@click.option(
    "--dataset", default="", help="Take the classes and prompts of a dataset instead: a name, NAME=PATH or a path."
)
@click.option("--templates", default="", help="Prompts: cifar18, imagenet80, or one with {c} where the label goes.")
@click.option("--model", required=True, help="Model folder, or a pretrained name such as ViT-B-32/openai.")
@click.option("--top", default=10, show_default=True, type=click.IntRange(1), help="Labels shown for each photo.")
@click.option("--image", type=click.Path(path_type=Path), help="Draw photos and bars into this PNG.")
@device_option
def classify(
    images: tuple[Path, ...],
    labels: str,
    dataset: str,
    templates: str,
    model: str,
    top: int,
    image: Path | None,
    device: str,
) -> None:
    """Say which label fits each photo best, with probabilities and milliseconds."""
    from clip_pipeline.api.classify import classify_images, draw_classified
    from clip_pipeline.storage.published import published_file

    names, prompts = _labels_and_prompts(labels, dataset, templates)
    results = classify_images(model, list(images), names, device, prompts)
    for result in results:
        click.echo(result.path)
        for label, probability in result.ranked[:top]:
            click.echo(f"  {probability:6.1%}  {'█' * round(30 * probability):<30}  {label}")
        click.echo(f"  {result.prepare_ms:.1f} ms to decode and prepare, {result.image_ms:.1f} ms in the image encoder")
    prompt_count = len(names) * len(prompts)
    click.echo(f"{prompt_count:,} prompts took {results[0].text_ms:,.0f} ms in the text encoder, once for all photos")
    if image:
        with published_file(image) as temporary:
            draw_classified(results, temporary, min(top, 5))
        click.echo(f"Wrote {image}")


def _labels_and_prompts(labels: str, dataset: str, templates: str) -> tuple[list[str], tuple[str, ...]]:
    from clip_pipeline.api.classify import LABELS_AS_THEY_ARE
    from clip_pipeline.errors import SettingsError
    from clip_pipeline.evaluation.datasets.classes import classes_of
    from clip_pipeline.evaluation.templates import template_sets

    if bool(labels.strip()) == bool(dataset.strip()):
        raise SettingsError('Give either labels, as in --labels "a dog, a cat", or a dataset, as in --dataset cifar10.')
    names = [label.strip() for label in labels.split(",") if label.strip()]
    own: tuple[str, ...] = LABELS_AS_THEY_ARE
    if dataset:
        names, own = classes_of(dataset.strip())
    if "{c}" in templates:
        return names, (templates,)
    sets = template_sets(templates, own).values() if templates else [own]
    return names, tuple(template for templates_of_one in sets for template in templates_of_one)
