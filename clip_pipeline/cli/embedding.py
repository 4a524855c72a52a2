"""The command `embed`."""

from __future__ import annotations

from pathlib import Path

import click

from clip_pipeline.cli.options import CONTEXT, device_option, with_device
from clip_pipeline.settings import Recipe


@click.command(context_settings=CONTEXT)
@click.option("--model", required=True, type=click.Path(path_type=Path), help="Model folder.")
@click.option("--images", required=True, type=click.Path(path_type=Path), help="A folder of photos, a tar, or a folder of tars.")  # fmt: skip
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder for the embeddings.")
@click.option("--batch-size", default=256, show_default=True, help="Photos at a time.")
@device_option
def embed(model: Path, images: Path, output: Path, batch_size: int, device: str) -> None:
    """Embed photos: a float16 .npy of unit vectors and a Parquet table of their ids."""
    from clip_pipeline.pipeline.standalone import embed_images_to

    count = embed_images_to(model, images, output, batch_size, with_device(Recipe(), device).compute)
    click.echo(f"Embedded {count:,} photos. Wrote {output}")
