"""Commands that turn photos and texts into vectors, and that search by them: embed, search."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clip_pipeline.cli.options import CONTEXT, data_option, output_option, replace_option, setting_option
from clip_pipeline.errors import SettingsError
from clip_pipeline.machine.first_words import says

if TYPE_CHECKING:
    from clip_pipeline.searching.answer import Answer, FoundPhoto

LONGEST = 60
"""Letters of a caption on a line."""


@click.command(context_settings=CONTEXT)
@click.option("--model", required=True, help="Model folder, ARCHITECTURE/TAG, ARCHITECTURE/FILE or hf-hub:OWNER/NAME.")
@click.option("--images", type=click.Path(), help="Photos: a folder, tars, an array (.npy) or tables (.parquet).")
@click.option("--texts", type=click.Path(), help="A text file, one text a line.")
@click.option("--template", "templates", multiple=True, metavar="TEXT", help='Prompt with {c} where the text goes: "a photo of a {c}". May be given many times.')  # fmt: skip
@output_option("Folder for the embeddings.")
@replace_option
@click.option("--layout", default="clip-pipeline", show_default=True, type=click.Choice(["clip-pipeline", "clip-retrieval"]), help="Names of the files.")  # fmt: skip
@setting_option("embedding.dtype")
@setting_option("embedding.unit_length", "--unit-length/--raw")
@click.option("--image-column", default="", help="Column of a .parquet that holds the photos' bytes; found by itself.")
@click.option("--id-column", default="", help="Column of a .parquet with the photos' ids; else found, or row numbers.")
@click.option("--keys", default="", help="Text file with an id a line for an array; else NAME.keys.txt, or row numbers.")  # fmt: skip
@setting_option("embedding.batch_size")
@setting_option("embedding.runtime", default="auto")
@setting_option("compute.device")
@says(lambda model, images, texts, **_: f"Embedding {images or texts or 'nothing'} with {model}", at_once=True)
def embed(model: str, output: str, **options: Any) -> None:
    """Embed photos or texts: an array of vectors (.npy) and a table with the id of every row (.parquet).

    Photos become images.npy, images.parquet (id, row) and images_failures.parquet (what could not be decoded, and why);
    texts become texts.npy and texts.parquet. With --layout clip-retrieval: img_emb/img_emb_0.npy or text_emb/text_emb_0.npy
    and metadata/metadata_0.parquet, as clip-retrieval and autofaiss read them. The arrays are read with
    numpy.load(..., mmap_mode="r").

    Memory does not grow with the number of photos. A run that was stopped, by Ctrl-C or kill -9, goes on where it was when
    it is started again with the same -o, and gives the same bytes. The runtime auto measures for 5,000 photos or more and takes
    the fastest that agrees with fp32.

    \b
    Examples:
      clip-pipeline embed --model model/ --images photos/ -o vectors/
      clip-pipeline embed --model ViT-B-32/laion2b_s34b_b79k --images "shards/{00000..00012}.tar" -o vectors/
      clip-pipeline embed --model model/ --images train_images.npy --dtype float32 --raw -o vectors/
      clip-pipeline embed --model model/ --images data.parquet --id-column file_name -o vectors/ --layout clip-retrieval
      clip-pipeline embed --model model/ --texts classes.txt --template "a photo of a {c}" -o prompts/
    """
    from clip_pipeline.api.embed import embed

    done = embed(model, output, **options, progress=True)
    if options["images"] is not None:
        failed = f", {done.failed:,} could not be decoded" if done.failed else ""
        before = f", {done.resumed:,} of them by a run before" if done.resumed else ""
        by = "" if done.runtime == "torch_fp32" else f", by {done.runtime}"
        click.echo(f"Embedded {done.photos:,} photos{before}{failed}{by}.")
    if options["texts"] is not None:
        click.echo(f"Embedded {done.texts:,} texts.")
    click.echo(f"Wrote {output}")


def _first_words(query: str, **_: Any) -> str:
    return f"Searching for {query[:LONGEST]}" if query else "Searching for photos that are alike"


def _several(name: str, help: str, *more: str) -> Any:
    return click.option(f"--{name}", *more, multiple=True, help=f"{help} May be given many times.")


@click.command(context_settings=CONTEXT)
@click.argument("query", default="", metavar="[QUERY]")
@_several("like", "A photo that is looked for, by its id or as a file; PHOTO*0.5 weighs half.")
@_several("not", "A text that is unwanted.", "unlike")
@_several("word", "Only photos with this word in a caption.")
@_several("licence", "Only photos whose licence holds this text.")
@_several("source", "Only photos of this source: unsplash, folder, sandbox, …")
@_several("split", "Only photos of this split: train, validation, test or none.")
@_several("size", "Only photos whose shorter side has at least so many pixels; <800 for fewer.")
@click.option("--top", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Photos shown.")
@click.option("--duplicates", is_flag=True, help="Show all of near-duplicates, not only the best of them.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object instead of a table.")
@click.option("-f", "--files", is_flag=True, help="Print nothing but the paths of the copies in -o, one a line.")
@click.option(
    "-o", "--output", default="", type=click.Path(), help="Folder for copies of the photos, with attribution.csv."
)
@click.option("--model", default="", help="Training variant whose index is searched; the only one by default.")
@data_option
@setting_option("compute.device")
@says(_first_words, at_once=True)
def search(query: str, duplicates: bool, as_json: bool, files: bool, output: str, **options: Any) -> None:
    """Search the photos by words and by likeness: all of them, with a word for how well each fits.

    QUERY is one line: words, + and - between terms, weights after *, photos by id, filters. The last line says how many photos fit, and
    which words no caption of the training holds.

    \b
    Examples:
      clip-pipeline search "a red cup"
      clip-pipeline search 'red cup*2 + photo:ID - "a car" word:table split:test'
      clip-pipeline search --like mine.jpg --not snow --top 50 -o found/
    """
    from clip_pipeline.api.search import search

    if files and not output:
        raise SettingsError(
            "-f prints the paths of copies, since photos lie inside of tars. Name a folder for them with -o."
        )
    answer = search(query, fold=not duplicates, output=output, progress=True, **options)
    if files:
        for path in sorted(Path(output).glob("[0-9]*.*")):
            click.echo(path)
    elif as_json:
        click.echo(json.dumps(_as_json(answer), indent=1, ensure_ascii=False))
    else:
        for place, photo in enumerate(answer.photos, start=1):
            click.echo(_line(place, photo))
        click.echo((f"Wrote {output}\n" if output else "") + answer.sentence() + ".")


def _line(place: int, photo: FoundPhoto) -> str:
    caption = next(iter(photo.facts["captions"]), "")
    more = f"  (and {photo.alike} alike)" if photo.alike else ""
    fit = photo.fit.value if photo.fit and photo.fit != "none" else "-" if photo.fit else ""
    return f"{place:4d}  {fit:<6}  {photo.cosine:6.3f}  {photo.id:<14}  {caption[:LONGEST]}{more}"


def _as_json(answer: Answer) -> dict[str, Any]:
    photos = [
        {
            **photo.facts,
            "score": round(photo.score, 6),
            "cosine": round(photo.cosine, 6),
            "fit": photo.fit,
            "better_than_captions": None if photo.better_than is None else round(photo.better_than, 4),
            "alike": photo.alike,
        }
        for photo in answer.photos
    ]
    return {
        "photos": photos,
        "searched": answer.searched,
        "indexed": answer.indexed,
        "fits": {fit.value: count for fit, count in answer.fits.items()},
        "nothing_fits": answer.nothing,
        "words_in_no_training_caption": list(answer.unknown),
        "words_never_together": list(answer.apart),
        "milliseconds": round(1000 * answer.seconds, 2),
        "sentence": answer.sentence(),
    }
