"""The command `embed`."""

from __future__ import annotations

from typing import Any

import click

from clip_pipeline.cli.options import CONTEXT, output_option, replace_option, setting_option
from clip_pipeline.machine.first_words import says


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
