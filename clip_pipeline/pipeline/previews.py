"""A look into an artifact: its first rows, and images small enough for a web page."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

from clip_pipeline.storage.artifacts import Artifact

ROWS_SHOWN = 8
READ_ROWS = 65_536
MAX_TEXT = 80
CONTACT_SHEET_PHOTOS = (4, 8)  # rows, columns
CONTACT_SHEET_PHOTO_PX = 72


@dataclass(frozen=True)
class StoredTable:
    """The main table of an asset. file: its name. counted: the name under which its rows are counted. columns: shown.
    largest: the column whose largest values are shown; "" shows the first rows."""

    file: str
    counted: str
    columns: tuple[str, ...]
    largest: str = ""


TABLES = {
    "word_counts": StoredTable("counts.parquet", "words", ("word", "count", "documents", "captioned"), largest="count"),
    "vocabulary": StoredTable("vocabulary.parquet", "words", ("word", "count", "documents", "captioned")),
    "image_links": StoredTable("links.parquet", "links", ("word", "rank", "id", "captions", "width", "height")),
    "photo_catalog": StoredTable(
        "photos.parquet", "photos", ("key", "id", "captions", "words", "licence", "attribution")
    ),
    "image_text_pairs": StoredTable(
        "pairs.parquet", "pairs", ("photo_id", "caption", "split", "group", "width", "height")
    ),
}


WITH_FIGURES = (
    "bpe_tokenizer",
    "clip_checkpoint",
    "embedding_runtime",
    "parallelism_benchmark",
    "unit_inference",
    "benchmark_report",
    "adaptation_curves",
)


@dataclass(frozen=True)
class Image:
    """An encoded image and its media type."""

    content: bytes
    media_type: str


@dataclass(frozen=True)
class Preview:
    """columns and table: the first rows as text or numbers. images: by title."""

    columns: tuple[str, ...] = ()
    table: list[list[str | int]] = field(default_factory=list)
    images: dict[str, Image] = field(default_factory=dict)


def preview(artifact: Artifact) -> Preview:
    """What is worth showing of an artifact; empty for most."""
    asset = artifact.key.asset
    if asset in TABLES:
        table = TABLES[asset]
        return Preview(table.columns, _first_rows(artifact, table))
    if asset == "image_shards":
        return Preview(images=_contact_sheet(artifact))
    if asset in WITH_FIGURES:
        return Preview(images=_figures(artifact))
    return Preview()


def _first_rows(artifact: Artifact, table: StoredTable) -> list[list[str | int]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(artifact.file(table.file))
    columns = list(table.columns)
    rows = file.schema_arrow.empty_table().select(columns)
    for batch in file.iter_batches(READ_ROWS if table.largest else ROWS_SHOWN, columns=columns):
        rows = pa.concat_tables([rows, pa.Table.from_batches([batch])])
        if not table.largest:
            break
        rows = rows.sort_by([(table.largest, "descending"), (columns[0], "ascending")]).slice(0, ROWS_SHOWN)
    return [[_cell(row[column]) for column in columns] for row in rows.to_pylist()]


def _cell(value: object) -> str | int:
    if isinstance(value, int):
        return value
    text = " / ".join(value) if isinstance(value, list) else str(value)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _contact_sheet(artifact: Artifact) -> dict[str, Image]:
    from PIL import Image, ImageOps

    from clip_pipeline.images.shards.tar import photo_ending, read_shard

    rows, columns = CONTACT_SHEET_PHOTOS
    size = CONTACT_SHEET_PHOTO_PX
    sheet = Image.new("RGB", (columns * size, rows * size), "white")
    shard = artifact.file(f"{artifact.key.partition}.tar")
    for place, (_, members) in zip(range(rows * columns), read_shard(shard), strict=False):
        with Image.open(io.BytesIO(members[photo_ending(members)])) as photo:
            tile = ImageOps.fit(photo.convert("RGB"), (size, size))
        sheet.paste(tile, (place % columns * size, place // columns * size))
    return {"sample photos": _as_jpeg(sheet)}


def _figures(artifact: Artifact) -> dict[str, Image]:
    from PIL import Image

    names = (
        "lengths.png",
        "loss.png",
        "runtimes.png",
        "parallelism.png",
        "figures/scores.png",
        "latencies.png",
        "curve.png",
        "alphas.png",
    )
    images = {}
    for name in names:
        if name in artifact.manifest["files"]:
            with Image.open(artifact.file(name)) as figure:
                figure.thumbnail((900, 900))
                images[name.removesuffix(".png").split("/")[-1]] = _as_jpeg(figure.convert("RGB"))
    return images


def _as_jpeg(image: object) -> Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85, optimize=True)  # type: ignore[attr-defined]
    return Image(buffer.getvalue(), "image/jpeg")
