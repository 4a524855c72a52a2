"""Commands that score a model or ask it: evaluate, probe, classify, compare-scores."""

from __future__ import annotations

from typing import Any

import click

from clip_pipeline.cli.options import CONTEXT, output_option, replace_option, setting_option, settings_option
from clip_pipeline.machine.first_words import says, shown_names


@click.command(context_settings=CONTEXT)
@click.option("--model", required=True, help="Model folder, or a name as open_clip writes it.")
@click.option("--dataset", required=True, help="A name (sandbox, digits), NAME=PATH (cifar10=FOLDER), or a path; see clip-pipeline datasets.")  # fmt: skip
@output_option("scores.json to write; predictions and CLIP_benchmark's files go into a folder beside it.")
@settings_option
@setting_option("compute.device", left=True)
@says("Scoring {model} on {dataset}", at_once=True)
def evaluate(model: str, dataset: str, output: str, **options: Any) -> None:
    """Score a model: zero-shot on labelled photos, retrieval on photos with captions.

    \b
    Examples:
      clip-pipeline evaluate --model model/ --dataset pets/ -o scores.json
      clip-pipeline evaluate --model model/ --dataset pets/ -o scores.json --set evaluation.templates=own,imagenet80
    """
    from clip_pipeline.api.evaluate import evaluate
    from clip_pipeline.evaluation.report.terminal_table import scoreboard

    click.echo(scoreboard(evaluate(model, dataset, output, **options, progress=True)))
    click.echo(f"Wrote {output}")


@click.command(context_settings=CONTEXT)
@click.option("--model", required=True, help="Model folder, or a name as open_clip writes it.")
@click.option("--dataset", required=True, help="Labelled photos: digits, mnist=FOLDER, cifar10=FOLDER, or a folder of class folders.")  # fmt: skip
@output_option("Folder for embeddings, predictions and scores.")
@replace_option
@settings_option
@setting_option("compute.device", left=True)
@says("Training probes on what {model} makes of {dataset}", at_once=True)
def probe(model: str, dataset: str, output: str, **options: Any) -> None:
    """Train small classifiers on a model's embeddings and score them: linear, MLP and few-shot probes.

    Official training and test photos are used where the dataset has them, else each split is halved. Writes the photos of
    idx files as .npy, embeddings, predictions (.npy and Parquet) and scores. A killed run goes on where it was.

    \b
    Examples:
      clip-pipeline probe --dataset mnist=mnist/ --model model/ -o probed/
      clip-pipeline probe --dataset pets/ --model model/ -o probed/ --set probe.shots= --set probe.inverse_regularizations=25
    """
    from clip_pipeline.api.probe import probe
    from clip_pipeline.evaluation.report.terminal_table import scoreboard

    probed = probe(model, dataset, output, **options, progress=True)
    parts = ", ".join(f"{name} {seconds:,.1f} s" for name, seconds in probed.seconds.items())
    click.echo(f"{scoreboard(probed.rows)}\n\nTook: {parts} ({probed.photos_per_second:,.0f} photos a second).")
    click.echo(f"Wrote {output}")


@click.command(context_settings=CONTEXT)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=click.Path())
@click.option("--labels", default="", help="Labels with commas between; one with a comma in it in quotation marks, as in CSV.")  # fmt: skip
@click.option("--labels-file", default="", type=click.Path(), help="A file with a label a line.")
@click.option(
    "--dataset", default="", help="Take the classes and prompts of a dataset instead: a name, NAME=PATH or a path."
)
@click.option(
    "--templates", default="", help="Prompts: cifar18, imagenet80, or one with {} or {c} where the label goes."
)
@click.option("--model", required=True, help="Model folder, or a pretrained name such as ViT-B-32/openai.")
@click.option("--top", default=10, show_default=True, type=click.IntRange(1), help="Labels shown for each photo.")
@click.option("--figure", type=click.Path(), help="Draw photos and bars into this PNG.")
@setting_option("compute.device")
@says(lambda images, model, **_: f"Classifying {shown_names(images)} with {model}", at_once=True)
def classify(
    images: tuple[str, ...],
    labels: str,
    labels_file: str,
    dataset: str,
    templates: str,
    model: str,
    top: int,
    figure: str | None,
    device: str,
) -> None:
    """Say which label fits each photo best, with probabilities and milliseconds.

    \b
    Examples:
      clip-pipeline classify a.jpg --model model/ --labels 'a dog, "a cup, empty"' --templates 'a photo of {}'
      clip-pipeline classify a.jpg --model model/ --labels-file labels.txt
      clip-pipeline classify a.jpg --model model/ --dataset imagenet
    """
    from clip_pipeline.api.classify import classify, draw_classified
    from clip_pipeline.evaluation.labels import split_labels
    from clip_pipeline.storage.published import check_output_file

    if figure:
        check_output_file(figure)
    chosen = {"labels_file": labels_file, "dataset": dataset.strip(), "templates": templates}
    results = classify(model, images, split_labels(labels) or None, **chosen, device=device, progress=True)
    for result in results:
        click.echo(result.path)
        for label, probability in result.ranked[:top]:
            click.echo(f"  {probability:6.1%}  {'█' * round(30 * probability):<30}  {label}")
        click.echo(f"  {result.prepare_ms:.1f} ms to decode and prepare, {result.image_ms:.1f} ms in the image encoder")
    first = results[0]
    if first.remembered:
        click.echo(f"{first.prompts:,} prompts were encoded before and came from the cache in {first.text_ms:,.0f} ms")
    else:
        click.echo(f"{first.prompts:,} prompts took {first.text_ms:,.0f} ms in the text encoder, once for all photos")
    if figure:
        draw_classified(results, figure, min(top, 5))
        click.echo(f"Wrote {figure}")


@click.command(context_settings=CONTEXT)
@click.argument("first", type=click.Path())
@click.argument("second", type=click.Path())
@click.option("-o", "--output", default="comparison.png", show_default=True, type=click.Path(), help="Figure to write; the numbers go beside it as .json.")  # fmt: skip
@click.option("--samples", default=4000, show_default=True, type=click.IntRange(100), help="Resamples behind each interval and p-value.")  # fmt: skip
@setting_option("evaluation.seed")
@says("Comparing the scores {first} and {second}")
def compare_scores(first: str, second: str, output: str, **options: Any) -> None:
    """Compare the scores of two models sample by sample, and say which differences are more than chance.

    FIRST and SECOND are scores.json files of `clip-pipeline evaluate` on the same dataset, or folders of scores in data/.
    """
    from pathlib import Path

    from clip_pipeline.api.compare import compare_scores
    from clip_pipeline.evaluation.comparison.text import comparison_text

    click.echo(comparison_text(compare_scores(first, second, output, **options)))
    click.echo(f"\nWrote {output} and {Path(output).with_suffix('.json')}")
