"""The command `embed`."""

from __future__ import annotations

from pathlib import Path

import click

from clip_pipeline.cli.options import CONTEXT, device_option, with_device
from clip_pipeline.settings import EmbeddingSettings, Recipe


@click.command(context_settings=CONTEXT)
@click.option("--model", required=True, help="Model folder, ARCHITECTURE/TAG, ARCHITECTURE/FILE or hf-hub:OWNER/NAME.")
@click.option("--images", type=click.Path(path_type=Path), help="Photos: a folder, tars, an array (.npy) or tables (.parquet).")  # fmt: skip
@click.option("--texts", type=click.Path(path_type=Path), help="A text file, one text a line.")
@click.option("--template", "templates", multiple=True, metavar="TEXT", help='Prompt with {c} where the text goes: "a photo of a {c}". May be given many times.')  # fmt: skip
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for the embeddings.")
@click.option("--layout", default="clip-pipeline", show_default=True, type=click.Choice(["clip-pipeline", "clip-retrieval"]), help="Names of the files.")  # fmt: skip
@click.option("--dtype", default="float16", show_default=True, type=click.Choice(["float16", "float32"]), help="Numbers of the vectors.")  # fmt: skip
@click.option("--raw", is_flag=True, help="Vectors as the model gives them, instead of at length 1.")
@click.option("--image-column", default="", help="Column of a .parquet that holds the photos' bytes; found by itself.")
@click.option("--id-column", default="", help="Column of a .parquet with the photos' ids; else found, or row numbers.")
@click.option("--keys", default="", help="Text file with an id a line for an array; else NAME.keys.txt, or row numbers.")  # fmt: skip
@click.option("--batch-size", default=256, show_default=True, help="Photos at a time on a GPU; on the CPU it is 64.")
@click.option("--runtime", default="auto", show_default=True, metavar="NAME", help="What runs the model: torch_fp32, onnx_int8, ...; auto measures for 5,000 photos or more and takes the fastest that agrees with fp32.")  # fmt: skip
@device_option
def embed(
    model: str,
    images: Path | None,
    texts: Path | None,
    templates: tuple[str, ...],
    output: Path,
    layout: str,
    dtype: str,
    raw: bool,
    image_column: str,
    id_column: str,
    keys: str,
    batch_size: int,
    runtime: str,
    device: str,
) -> None:
    """Embed photos or texts: an array of vectors (.npy) and a table with the id of every row (.parquet).

    Photos become images.npy, images.parquet (id, row) and images_failures.parquet (what could not be decoded, and why);
    texts become texts.npy and texts.parquet. With --layout clip-retrieval: img_emb/img_emb_0.npy or text_emb/text_emb_0.npy
    and metadata/metadata_0.parquet, as clip-retrieval and autofaiss read them. The arrays are read with
    numpy.load(..., mmap_mode="r").

    Memory does not grow with the number of photos. A run that was stopped, by Ctrl-C or kill -9, goes on where it was when
    it is started again with the same -o, and gives the same bytes.

    \b
    Examples:
      clip-pipeline embed --model model/ --images photos/ -o vectors/
      clip-pipeline embed --model ViT-B-32/laion2b_s34b_b79k --images "shards/{00000..00012}.tar" -o vectors/
      clip-pipeline embed --model model/ --images train_images.npy --dtype float32 --raw -o vectors/
      clip-pipeline embed --model model/ --images data.parquet --id-column file_name -o vectors/ --layout clip-retrieval
      clip-pipeline embed --model model/ --texts classes.txt --template "a photo of a {c}" -o prompts/
    """
    from clip_pipeline.pipeline.standalone import embed_to
    from clip_pipeline.sources.photos.open import Columns

    settings = EmbeddingSettings(batch_size=batch_size, dtype=dtype, unit_length=not raw, runtime=runtime)
    compute = with_device(Recipe(), device).compute
    columns = Columns(image_column, id_column, keys)
    facts = embed_to(model, output, settings, compute, images, texts, templates, columns, layout == "clip-retrieval")
    for line in facts:
        click.echo(line)
    click.echo(f"Wrote {output}")
