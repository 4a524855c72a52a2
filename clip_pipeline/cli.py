"""The command line: `run`, `status`, `sandbox serve`, and one command a stage that works on the user's own files."""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from clip_pipeline.errors import ClipPipelineError
from clip_pipeline.recipes import RECIPES, find_recipe
from clip_pipeline.settings import Recipe, TokenizerSettings, with_settings
from clip_pipeline.version import __version__

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def main() -> None:
    """Runs the command line. A `ClipPipelineError` becomes one sentence and exit status 1; it never is a traceback."""
    # Threads that wait for each other spin for a moment, then sleep. With the default, long spinning, a training that
    # shares two cores with one other busy process runs ten times slower; with no spinning at all it loses a third on a
    # quiet machine (an epoch of the sandbox: 12.0 s so, 13.9 s by default, 21.2 s passive, 2026-11-21). Read when torch loads.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    # Arrow's own memory pool keeps what small tables leave behind in many threads: a download of 4,000 photos holds 140 MB
    # with it and 87 with the system's (2026-11-21). Read when pyarrow loads.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    try:
        commands(prog_name="clip-pipeline", standalone_mode=False)
    except ClipPipelineError as error:
        _stop(str(error), 1)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.Abort:
        _stop("Stopped. What was finished is kept: run the same command again to go on.", 130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except KeyboardInterrupt:
        _stop("Stopped. What was finished is kept: run the same command again to go on.", 130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise
        _stop(f"{error.filename}: {error.strerror}. Check the path and your right to write there.", 1)


def _stop(sentence: str, status: int) -> None:
    click.echo(f"clip-pipeline: {sentence}", err=True)
    sys.exit(status)


@click.group(context_settings=CONTEXT)
@click.version_option(__version__, prog_name="clip-pipeline")
@click.option("-v", "--verbose", is_flag=True, help="Say more about what is done and why.")
def commands(verbose: bool) -> None:
    """Words into a working CLIP, and into numbers one can trust.

    `clip-pipeline run` takes a Wikipedia dump and photos through the whole pipeline; without settings it uses a small
    generated world, so it needs no key, no network and no GPU. The other commands do one step each on files of your own.
    """
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("clip_pipeline").setLevel(logging.INFO if verbose else logging.WARNING)


def settings_option(command):
    """The option that changes single settings."""
    return click.option(
        "--set", "assignments", multiple=True, metavar="STAGE.FIELD=VALUE",
        help="Change one setting, such as words.min_count=50. May be given many times; see docs/settings.md.",
    )(command)  # fmt: skip


def recipe_options(command):
    """The options that choose a recipe and change single settings of it."""
    names = ", ".join(RECIPES)
    command = settings_option(command)
    return click.option(
        "--recipe", "recipe_name", default="sandbox", show_default=True, envvar="CLIP_PIPELINE_RECIPE",
        metavar="NAME", help=f"A named set of settings: {names}.",
    )(command)  # fmt: skip


def data_option(command):
    """The option that chooses the data folder."""
    return click.option(
        "--data", "data_folder", default="data", show_default=True, envvar="CLIP_PIPELINE_DATA", type=click.Path(),
        help="Folder of the artifacts.",
    )(command)  # fmt: skip


def device_option(command):
    """The option that chooses where the arithmetic happens."""
    return click.option(
        "--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda", "mps"]),
        help="Where to compute; auto takes the best there is.",
    )(command)  # fmt: skip


def _recipe(name: str, assignments: tuple[str, ...]) -> Recipe:
    return with_settings(find_recipe(name), assignments)


# ---- the whole pipeline


@commands.command(context_settings=CONTEXT)
@recipe_options
@data_option
@click.option("--select", default="", metavar="ASSETS", help="Only these, separated by commas; +name adds all before it, name+ all after it. A stage stands for its assets.")  # fmt: skip
@click.option("--partition", default="", metavar="KEY", help="Only this partition of the selected assets.")
@click.option("--force", is_flag=True, help="Build the selected assets again although they are fresh.")
@click.option("--history/--no-history", default=True, help="Tell Dagster's history, where there is one, what was made.")
def run(
    recipe_name: str,
    assignments: tuple[str, ...],
    data_folder: str,
    select: str,
    partition: str,
    force: bool,
    history: bool,
) -> None:
    """Materialise the pipeline: build what is missing or stale, reuse the rest.

    \b
    Examples:
      clip-pipeline run                                     the sandbox world, end to end
      clip-pipeline run --select vocabulary                 one asset
      clip-pipeline run --select +image_text_pairs          everything up to the pairs
      clip-pipeline run --recipe laptop --set wikipedia.dump=enwiki.xml.bz2 \\
          --set links.source=folder --set links.path=photos/ your own dump and photos
    """
    from clip_pipeline.defs.history import no_history, report_run
    from clip_pipeline.pipeline.command import run_command

    recipe = _recipe(recipe_name, assignments)
    run_command(recipe, data_folder, select, partition, force, report_run if history else no_history)


@commands.command(context_settings=CONTEXT)
@recipe_options
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def status(recipe_name: str, assignments: tuple[str, ...], data_folder: str, as_json: bool) -> None:
    """Show what exists, whether it is fresh or stale and why, and its size."""
    from clip_pipeline.pipeline.command import status_table
    from clip_pipeline.pipeline.graph import STEPS
    from clip_pipeline.pipeline.status import pipeline_status
    from clip_pipeline.pipeline.workspace import Workspace

    with Workspace(data_folder, _recipe(recipe_name, assignments)) as workspace:
        statuses = pipeline_status(workspace, list(STEPS.values()))
    if as_json:
        click.echo(json.dumps([status.as_json() for status in statuses], indent=1))
    else:
        click.echo(status_table(statuses))


@commands.command(context_settings=CONTEXT)
@recipe_options
@data_option
def plan(recipe_name: str, assignments: tuple[str, ...], data_folder: str) -> None:
    """Show what the photo search of the vocabulary will cost: requests, budget, time. Sends nothing."""
    from clip_pipeline.pipeline.link_plan import plan_table
    from clip_pipeline.pipeline.workspace import Workspace

    with Workspace(data_folder, _recipe(recipe_name, assignments)) as workspace:
        click.echo(plan_table(workspace))


@commands.command(context_settings=CONTEXT)
@click.argument("names", nargs=-1, metavar="[ID|URL|SHA256]...")
@click.option("--reason", default="", help="Why, and who asked: kept with the record.")
@click.option("--list", "only_list", is_flag=True, help="Show what was taken down so far, and change nothing.")
@click.option("--shards", "shards_folder", default=None, type=click.Path(path_type=Path), help="A folder that the download command wrote, instead of the data folder.")  # fmt: skip
@recipe_options
@data_option
def takedown(
    names: tuple[str, ...],
    reason: str,
    only_list: bool,
    shards_folder: Path | None,
    recipe_name: str,
    assignments: tuple[str, ...],
    data_folder: str,
) -> None:
    """Remove photos everywhere, for good: shards, pairs, embeddings, scores, report.

    A photo is named by its id, its url, or the sha256 of the file as it was downloaded; others with the same bytes go with
    it. Only the shards that held it are written again, nothing is downloaded, and the record in takedowns.jsonl
    keeps it from coming back. Give the same --recipe and --set as for the run.

    \b
    Examples:
      clip-pipeline takedown LF8gK8-HGSg --reason "asked by the photographer, 3 May"
      clip-pipeline takedown https://example.org/a.jpg --shards shards/
      clip-pipeline takedown --list
    """
    from clip_pipeline.pipeline.command import say_takedowns, say_taken_down, takedown_command
    from clip_pipeline.pipeline.standalone import take_down_from_shards

    if only_list:
        say_takedowns(shards_folder or Path(data_folder))
    elif not names:
        raise click.UsageError("Name what to take down: an id, a url or a sha256.")
    elif shards_folder is not None:
        say_taken_down(take_down_from_shards(shards_folder, names, reason))
    else:
        takedown_command(_recipe(recipe_name, assignments), data_folder, names, reason)


@commands.group(context_settings=CONTEXT)
def sandbox() -> None:
    """The generated world: a Wikipedia dump, a photo search and a photo host on loopback."""


@sandbox.command(context_settings=CONTEXT)
@recipe_options
@click.option("--port", default=8765, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
def serve(recipe_name: str, assignments: tuple[str, ...], port: int) -> None:
    """Serve the sandbox world until Ctrl-C, to tinker with."""
    from clip_pipeline.sandbox.server import serve as serve_world

    serve_world(_recipe(recipe_name, assignments).sandbox, port)


# ---- one command a stage


@commands.command(context_settings=CONTEXT)
@click.argument("dumps", nargs=-1, required=True, metavar="DUMP...")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Parquet file to write (word, count, documents, capitalised, pictured), or .txt for the words alone.")  # fmt: skip
@click.option("--rules", default="plain", show_default=True, type=click.Choice(["plain", "wikipedia-word-frequency"]), help="What a word is: plain, or as in the well-known list.")  # fmt: skip
@click.option("--min-count", default=100, show_default=True, help="Words that occur at most this often are left out.")
@click.option("--min-documents", default=0, help="Words that occur in fewer articles are left out.")
@click.option("--min-length", default=1, show_default=True, help="Shortest word kept, in letters.")
@click.option("--language", default="", metavar="CODE", help="Set script and stop words for a language: en, de, fr, es, it, pt, nl, sv, ru or pl.")  # fmt: skip
@click.option("--script", default="any", show_default=True, help="Letters that words are made of: english, latin, cyrillic, ..., or any.")  # fmt: skip
@click.option("--stop-words", default="none", show_default=True, help="Leave out function words: languages such as de,fr, a file with one a line, or none.")  # fmt: skip
@click.option("--digits/--no-digits", default=True, show_default=True, help="Keep words with digits, such as mp3.")
@click.option("--proper-nouns/--no-proper-nouns", default=True, show_default=True, help="Keep words that are nearly always capitalised.")  # fmt: skip
@click.option("--order", default="frequent", show_default=True, type=click.Choice(["frequent", "pictured"]), help="What comes first: words frequent in the text, or in captions of pictures.")  # fmt: skip
@click.option("--max-words", default=0, help="Keep only this many of the first; 0 keeps all.")
@click.option("--workers", default=0, help="Threads, or processes for HTML; 0 is one a core.")
def words(dumps: tuple[str, ...], output: Path, language: str, workers: int, **filters: Any) -> None:
    """Count the words of Wikipedia dumps, and keep those that pass the filters.

    A DUMP is a file, a folder or a pattern in quotes: XML (.xml, .bz2, .xz, .lzma, .gz; multistream or plain), or HTML
    of Wikimedia Enterprise or the REST API (.ndjson, .jsonl, .tar.gz of them, .html). Several are counted as one.

    \b
    Examples:
      clip-pipeline words simplewiki-latest-pages-articles.xml.bz2 -o words.parquet
      clip-pipeline words dewiki.xml.bz2 -o words.txt --language de --no-digits
      clip-pipeline words "dumps/enwiki-*-multistream*.bz2" -o words.parquet --min-count 1000
      clip-pipeline words enwiki_namespace_0.tar.gz -o words.parquet --order pictured --max-words 20000
    """
    from clip_pipeline.pipeline.count_command import count_words, language_settings
    from clip_pipeline.settings import WordsSettings

    if language:
        filters["script"], filters["stop_words"] = language_settings(language)
    settings = WordsSettings(**filters)
    kept, found, dropped = count_words(dumps, output, settings, workers)
    click.echo(f"Kept {kept:,} of {found:,} words. Wrote {output}")
    for reason, number in dropped.items():
        click.echo(f"  {reason:<20} {number:>11,}")


@commands.command(context_settings=CONTEXT)
@click.argument("links", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for the shards.")
@click.option(
    "--retry", is_flag=True, help="Ask again for the photos whose failure may have passed, such as a timeout."
)
@settings_option
def download(links: Path, output: Path, retry: bool, assignments: tuple[str, ...]) -> None:
    """Download the photos of a url list (Parquet, CSV, TSV, JSONL, txt) into webdataset shards.

    Photos are stored as JPEGs whose shorter side has 256 pixels; `--set download.image_size=224 --set
    download.resize=crop` and the like change that.

    Writes 00000.tar, 00000.parquet (every attempt with its status) and 00000_stats.json, 00001.tar, and so on, and
    sizes.json. Nothing that is finished is fetched twice: run the same command again after a stop and it goes on, or with
    a longer list and it adds what is new.
    """
    from clip_pipeline.pipeline.standalone import download_links

    counts = download_links(links, output, with_settings(Recipe(), assignments), retry)
    click.echo(f"{counts.get('success', 0):,} of {sum(counts.values()):,} photos are in {output}")
    for status_name, count in sorted(counts.items()):
        click.echo(f"  {status_name:<20} {count:>9,}")


@commands.command(context_settings=CONTEXT)
@click.argument("captions", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for the tokenizer.")
@click.option(
    "--kind", default="bpe", show_default=True, help="bpe, clip, or a Hugging Face tokenizer by name or folder."
)
@click.option(
    "--vocab-size", default=20_000, show_default=True, help="Tokens of bpe, bytes and special tokens included."
)
@click.option("--min-frequency", default=2, show_default=True, help="Pairs seen less often are not merged by bpe.")
@click.option("--context-length", default=32, show_default=True, help="Tokens a text is cut to or filled up to.")
def tokenizer(
    captions: Path, output: Path, kind: str, vocab_size: int, min_frequency: int, context_length: int
) -> None:
    """Make a tokenizer for a text file, one caption a line, and say how well it fits.

    bpe learns a byte-level BPE from the captions. clip is CLIP's own; a Hugging Face tokenizer is taken as it is, with a
    start, an end and a padding token added where it has none. All become a folder that transformers and open_clip read,
    with report.json and lengths.png, a histogram of the captions' lengths.
    """
    from clip_pipeline.pipeline.standalone import train_tokenizer_on_file
    from clip_pipeline.text.tokenizer_report import report_text

    settings = TokenizerSettings(kind=kind, vocab_size=vocab_size, min_frequency=min_frequency)
    click.echo(report_text(train_tokenizer_on_file(captions, output, settings, context_length)))
    click.echo(f"Wrote {output}")


@commands.command(context_settings=CONTEXT)
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list instead of a table.")
def models(names: tuple[str, ...], as_json: bool) -> None:
    """List the models to train: towers, picture size, parameters, cost.

    Without MODEL: all that come with the package. MODEL is one of their names, or an open_clip configuration of your own
    (a .json file). Choose one with --set training.model=MODEL. 12 × 768 means 12 layers of width 768.

    GFLOPs are those of one picture or one text, forward, a multiply and an add counted as two; a training step costs
    about three times as much. The parameters include the token table, whose size follows the tokenizer in training.
    """
    from clip_pipeline.models.registry import list_models
    from clip_pipeline.models.zoo import describe_model, zoo_table

    if as_json:
        click.echo(json.dumps([asdict(describe_model(name)) for name in names or list_models()], indent=1))
    else:
        click.echo(zoo_table(names))


@commands.command(context_settings=CONTEXT)
@click.option("--data", "photos", required=True, type=click.Path(path_type=Path), help="A folder of photos with a caption file, or of webdataset tars.")  # fmt: skip
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for the model.")
@click.option("--captions", default="", help="Caption file, when it is not in the folder of the photos.")
@recipe_options
@device_option
def train(
    photos: Path, output: Path, captions: str, recipe_name: str, assignments: tuple[str, ...], device: str
) -> None:
    """Train a CLIP from scratch on photos with captions; writes a folder that open_clip loads."""
    from clip_pipeline.pipeline.standalone import train_on_folder

    recipe = _with_device(_recipe(recipe_name, assignments), device)
    facts = train_on_folder(photos, captions, output, recipe)
    if facts:  # with torchrun, only the first process reports
        click.echo(f"Trained {facts['steps']:,} steps. Wrote {output}")


@commands.command(context_settings=CONTEXT)
@click.option("--data", "photos", required=True, help="As for train: a folder of photos with a caption file, or of webdataset tars.")  # fmt: skip
@click.option("-o", "--output", required=True, help="Folder for the model, on a disk that all machines see.")
@click.option("--captions", default="", help="Caption file, when it is not in the folder of the photos.")
@click.option("--slurm/--single-node", default=False, help="An sbatch script, or one for this machine alone.")
@click.option("--nodes", default=1, show_default=True, type=click.IntRange(1), help="Machines.")
@click.option("--gpus", default=1, show_default=True, type=click.IntRange(1), help="Processes on each machine, one a GPU.")  # fmt: skip
@click.option("--cores", default=8, show_default=True, type=click.IntRange(1), help="Cores for each process.")
@click.option("--hours", default=24.0, show_default=True, type=click.FloatRange(0.1), help="Longest time asked of SLURM.")  # fmt: skip
@click.option("--partition", default="", help="SLURM's partition.")
@recipe_options
def launch(
    photos: str,
    output: str,
    captions: str,
    slurm: bool,
    nodes: int,
    gpus: int,
    cores: int,
    hours: float,
    partition: str,
    recipe_name: str,
    assignments: tuple[str, ...],
) -> None:
    """Print a script that trains in several processes: with torchrun on one machine, or with SLURM on several.

    \b
    Examples:
      clip-pipeline launch --data photos/ -o model/ --gpus 4 > train.sh
      clip-pipeline launch --slurm --nodes 2 --gpus 8 --data shards/ -o model/ \\
          --recipe wkit24m --set training.plan=wkit_24m > train.sbatch
    """
    from clip_pipeline.training.launch import Launch, single_node_script, slurm_script, train_command

    recipe = _recipe(recipe_name, assignments)
    where = Launch(nodes, gpus, cores, hours, partition)
    command = train_command(photos, output, captions, recipe_name, assignments)
    click.echo((slurm_script if slurm else single_node_script)(where, command, recipe), nl=False)


@commands.command(context_settings=CONTEXT)
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option("-o", "--output", default="comparison.png", show_default=True, type=click.Path(path_type=Path), help="Picture to write.")  # fmt: skip
def compare(runs: tuple[Path, ...], output: Path) -> None:
    """Draw the losses of several trainings (model folders) into one picture, and print a line for each."""
    from clip_pipeline.publication import published_file
    from clip_pipeline.training.comparison import plot_runs, read_runs, runs_table

    found = read_runs(runs)
    with published_file(output) as path:
        plot_runs(found, path)
    click.echo(runs_table(found))
    click.echo(f"Wrote {output}")


@commands.command(context_settings=CONTEXT)
@click.option("--model", required=True, type=click.Path(path_type=Path), help="Model folder.")
@click.option("--images", required=True, type=click.Path(path_type=Path), help="A folder of photos, a tar, or a folder of tars.")  # fmt: skip
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for the embeddings.")
@click.option("--batch-size", default=256, show_default=True, help="Photos at a time.")
@device_option
def embed(model: Path, images: Path, output: Path, batch_size: int, device: str) -> None:
    """Embed photos: a float16 .npy of unit vectors and a Parquet table of their ids."""
    from clip_pipeline.pipeline.standalone import embed_images_to

    count = embed_images_to(model, images, output, batch_size, _with_device(Recipe(), device).compute)
    click.echo(f"Embedded {count:,} photos. Wrote {output}")


@commands.command(context_settings=CONTEXT)
@click.option("--model", required=True, type=click.Path(path_type=Path), help="Model folder.")
@click.option("--dataset", required=True, help="A folder of class folders, of photos with captions, or of webdataset tars; or sandbox.")  # fmt: skip
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="scores.json to write.")
@click.option("--batch-size", default=256, show_default=True, help="Photos at a time.")
@device_option
def evaluate(model: Path, dataset: str, output: Path, batch_size: int, device: str) -> None:
    """Score a model: zero-shot on labelled photos, retrieval on photos with captions."""
    from clip_pipeline.pipeline.standalone import evaluate_to

    click.echo(evaluate_to(model, dataset, output, batch_size, _with_device(Recipe(), device).compute))
    click.echo(f"Wrote {output}")


@commands.command(context_settings=CONTEXT)
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


def _with_device(recipe: Recipe, device: str) -> Recipe:
    return replace(recipe, compute=replace(recipe.compute, device=device))
