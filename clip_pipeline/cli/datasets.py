"""Commands for the benchmark datasets: which there are, what each is, and the download of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from clip_pipeline.cli.options import CONTEXT, data_option, recipe_options
from clip_pipeline.cli.variants import say_removed
from clip_pipeline.display.text_table import text_table
from clip_pipeline.machine.first_words import says

if TYPE_CHECKING:
    from clip_pipeline.evaluation.datasets.entry import Entry


@click.group(context_settings=CONTEXT, invoke_without_command=True)
@click.pass_context
@says(lambda **_: "Reading the list of the datasets")
def datasets(context: click.Context) -> None:
    """The benchmark datasets that have a name; without a command, the list of them."""
    if context.invoked_subcommand is not None:
        return
    from clip_pipeline.evaluation.datasets.entry import entries

    header = ("name", "for", "classes", "photos", "download", "licence")
    click.echo(text_table([_row(entry) for entry in entries().values()], header))
    click.echo(
        "\nevaluation.datasets takes names and NAME=PATH. Any folder of class folders, photos with captions and CLIP_benchmark's"
    )
    click.echo("webdatasets need no name: give the path. clip-pipeline datasets show NAME says more of one.")


def _row(entry: Entry) -> tuple[str, ...]:
    photos = " + ".join(f"{count:,}" for count in entry.photos.values()) or "generated"
    size = _size(entry.size) if entry.downloads else ("comes with it" if not entry.needs_files else "by hand")
    task = "retrieval" if entry.task == "captions" else "zero-shot"
    return entry.name, task, str(entry.classes or ""), photos, size, entry.licence


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


@datasets.command(context_settings=CONTEXT)
@click.argument("name")
@says("Reading what is known of {name}")
def show(name: str) -> None:
    """Say all that is known of one dataset: its photos, classes, prompts, licence and the files it is read from."""
    from clip_pipeline.evaluation.datasets.entry import find_entry
    from clip_pipeline.evaluation.datasets.names import class_names
    from clip_pipeline.evaluation.datasets.templates import own_templates

    entry = find_entry(name)
    names, templates = list(class_names(entry).values()), own_templates(entry)
    known = {
        "photos": ", ".join(f"{split} {count:,}" for split, count in entry.photos.items()),
        "a class": ", ".join(f"{split} {count:,}" for split, count in entry.per_class.items()),
        "classes": f"{entry.classes:,}{': ' + ', '.join(names[:8]) + (', ...' if len(names) > 8 else '') if names else ''}",
        "captions": f"{entry.captions} a photo" if entry.captions else "",
        "prompts": f"{len(templates)}; the first: {templates[0]}",
        "licence": entry.licence,
        "terms": entry.terms,
        "from": entry.home,
        "read from": entry.expects,
        "download": f"{_size(entry.size)}: clip-pipeline datasets download {entry.name} FOLDER"
        if entry.downloads
        else "",
        "by hand": entry.by_hand,
        "use it as": f"--dataset {entry.name}" + ("=FOLDER" if entry.needs_files else ""),
    }
    if entry.task == "captions":
        known["classes"] = known["prompts"] = ""
    click.echo(f"{entry.title}: {entry.about}")
    click.echo(text_table([(f"{label}:", text) for label, text in known.items() if text], indent="  "))


@datasets.command(context_settings=CONTEXT)
@click.argument("name")
@click.argument("folder", type=click.Path())
@click.option("--accept-terms", is_flag=True, help="You agree to the terms of a dataset that has some.")
@click.option("--mirror", default="", metavar="URL", help="A site that has the same files under the same names.")
@click.option("--keep-archives", is_flag=True, help="Leave the archives beside what is unpacked.")
@says("Downloading {name} into {folder}")
def download(name: str, folder: str, **options: Any) -> None:
    """Download a dataset into FOLDER, verified, unpacked and checked.

    NAME is one of the list, or the address of a dataset in CLIP_benchmark's webdataset layout. A download that broke off goes on
    when the command is run again.
    """
    from clip_pipeline.api.datasets import download_dataset

    counts = download_dataset(name, folder, **options, progress=True)
    use = "" if "://" in name else f" Use it as {name}={folder}"
    click.echo(f"{folder}: {', '.join(f'{split} {count:,}' for split, count in counts.items())} photos.{use}")


@datasets.command(context_settings=CONTEXT)
@click.argument("dataset", metavar="NAME|NAME=PATH|PATH")
@recipe_options
@data_option
@says("Looking at the dataset {dataset}")
def add(dataset: str, data: str, recipe: str, settings: tuple[str, ...]) -> None:
    """Score every model on one more dataset: it is written to DATA/datasets/NAME.toml.

    \b
    Examples:
      clip-pipeline datasets add digits                      one of the list that needs no files
      clip-pipeline datasets add cifar10=cifar-10-batches-py one of the list, and where its files are
      clip-pipeline datasets add photos/pets                 class folders of your own
    """
    from clip_pipeline.api.datasets import add_dataset
    from clip_pipeline.settings.chosen_recipe import recipe_of

    name = add_dataset(dataset, data, recipe=recipe_of(recipe, settings))
    click.echo(f"{name} is one of the datasets in {data} now. Score it: clip-pipeline run")


@datasets.command(context_settings=CONTEXT)
@click.argument("name")
@recipe_options
@data_option
@says("Looking for the dataset {name} in {data}")
def remove(name: str, data: str, recipe: str, settings: tuple[str, ...]) -> None:
    """Remove a dataset that was added. What was made of it stays, and is named."""
    from clip_pipeline.api.datasets import remove_dataset
    from clip_pipeline.settings.chosen_recipe import recipe_of

    say_removed(f"The dataset {name}", remove_dataset(name, data, recipe=recipe_of(recipe, settings)))
