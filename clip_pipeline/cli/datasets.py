"""Commands for the benchmark datasets: which there are, what each is, and the download of one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from clip_pipeline.cli.options import CONTEXT

if TYPE_CHECKING:
    from clip_pipeline.evaluation.datasets.entry import Entry


@click.group(context_settings=CONTEXT, invoke_without_command=True)
@click.pass_context
def datasets(context: click.Context) -> None:
    """The benchmark datasets that have a name; without a command, the list of them."""
    from clip_pipeline.evaluation.datasets.entry import entries

    if context.invoked_subcommand is not None:
        return
    rows: list[tuple[str, ...]] = [("name", "for", "classes", "photos", "download", "licence")]
    rows += [_row(entry) for entry in entries().values()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    click.echo(
        "\nevaluation.datasets takes names and NAME=PATH. Any folder of class folders, photos with captions and CLIP_benchmark's"
    )
    click.echo("webdatasets need no name: give the path. clip-pipeline datasets show NAME tells more of one.")


def _row(entry: Entry) -> tuple[str, ...]:
    photos = " + ".join(f"{count:,}" for count in entry.photos.values()) or "generated"
    size = _size(entry.size) if entry.downloads else ("comes with it" if not entry.needs_files else "by hand")
    task = "retrieval" if entry.task == "captions" else "zero-shot"
    return entry.name, task, str(entry.classes or ""), photos, size, entry.licence


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


@datasets.command(context_settings=CONTEXT)
@click.argument("name")
def show(name: str) -> None:
    """Tell all that is known of one dataset: its photos, classes, prompts, licence and the files it is read from."""
    from clip_pipeline.evaluation.datasets.entry import find_entry
    from clip_pipeline.evaluation.datasets.names import class_names
    from clip_pipeline.evaluation.datasets.templates import own_templates

    entry = find_entry(name)
    names, templates = list(class_names(entry).values()), own_templates(entry)
    told = {
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
        told["classes"] = told["prompts"] = ""
    click.echo(f"{entry.title}: {entry.about}")
    for label, text in told.items():
        if text:
            click.echo(f"  {label + ':':<11} {text}")


@datasets.command(context_settings=CONTEXT)
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--accept-terms", is_flag=True, help="You agree to the terms of a dataset that has some.")
@click.option("--mirror", default="", metavar="URL", help="A site that has the same files under the same names.")
@click.option("--keep-archives", is_flag=True, help="Leave the archives beside what is unpacked.")
def download(name: str, folder: Path, accept_terms: bool, mirror: str, keep_archives: bool) -> None:
    """Download a dataset into FOLDER, verified, unpacked and checked.

    NAME is one of the list, or the address of a dataset in CLIP_benchmark's webdataset layout. A download that broke off goes on
    when the command is run again.
    """
    if name.startswith(("http://", "https://")):
        from clip_pipeline.sources.benchmarks import download_benchmark

        counts = download_benchmark(name, folder, {})
        click.echo(f"Wrote {folder}: {', '.join(f'{split} {count:,}' for split, count in counts.items())} photos")
        return
    from clip_pipeline.evaluation.datasets import splits_of
    from clip_pipeline.evaluation.datasets.download import download_dataset
    from clip_pipeline.evaluation.datasets.entry import find_entry

    dataset = download_dataset(find_entry(name), folder, {}, mirror, accept_terms, keep_archives)
    counts = {split: dataset.splits.count(split) for split in splits_of(dataset)}
    click.echo(
        f"{folder}: {', '.join(f'{split} {count:,}' for split, count in counts.items())} photos. Use it as {name}={folder}"
    )
