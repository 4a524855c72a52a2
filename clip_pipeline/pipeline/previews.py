"""A look into an artifact: its first rows, and images small enough for a web page."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

from clip_pipeline.pipeline.asset import ContactSheet, Figures, StoredTable
from clip_pipeline.pipeline.stages import find_asset
from clip_pipeline.storage.manifest import Artifact

ROWS_SHOWN = 8
READ_ROWS = 65_536
MAX_TEXT = 80
CONTACT_SHEET_PHOTOS = (4, 8)  # rows, columns
CONTACT_SHEET_PHOTO_PX = 72


@dataclass(frozen=True)
class EncodedImage:
    """An encoded image and its media type."""

    content: bytes
    media_type: str


@dataclass(frozen=True)
class Preview:
    """columns and table: the first rows as text or numbers. images: by title."""

    columns: tuple[str, ...] = ()
    table: list[list[str | int]] = field(default_factory=list)
    images: dict[str, EncodedImage] = field(default_factory=dict)


def preview(artifact: Artifact) -> Preview:
    """What is worth showing of an artifact; empty for most."""
    shown = find_asset(artifact.key.asset).preview
    if isinstance(shown, StoredTable):
        return Preview(shown.columns, _first_rows(artifact, shown))
    if isinstance(shown, ContactSheet):
        return Preview(images=_contact_sheet(artifact))
    if isinstance(shown, Figures):
        return Preview(images=_figures(artifact, shown.files))
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


def _contact_sheet(artifact: Artifact) -> dict[str, EncodedImage]:
    from PIL import Image, ImageOps

    from clip_pipeline.pixels.decode import decode
    from clip_pipeline.sources.photos.formats.tar_index import photo_ending, read_shard

    rows, columns = CONTACT_SHEET_PHOTOS
    size = CONTACT_SHEET_PHOTO_PX
    sheet = Image.new("RGB", (columns * size, rows * size), "white")
    shard = artifact.file(f"{artifact.key.partition}.tar")
    for place, (_, members) in zip(range(rows * columns), read_shard(shard), strict=False):
        photo = Image.fromarray(decode(members[photo_ending(members)]).rows_HW3)
        tile = ImageOps.fit(photo, (size, size))
        sheet.paste(tile, (place % columns * size, place // columns * size))
    return {"sample photos": _as_jpeg(sheet)}


def _figures(artifact: Artifact, names: tuple[str, ...]) -> dict[str, EncodedImage]:
    from PIL import Image

    images = {}
    for name in names:
        if name in artifact.manifest["files"]:
            with Image.open(artifact.file(name)) as figure:
                figure.thumbnail((900, 900))
                images[name.removesuffix(".png").split("/")[-1]] = _as_jpeg(figure.convert("RGB"))
    return images


def _as_jpeg(image: object) -> EncodedImage:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85, optimize=True)  # type: ignore[attr-defined]
    return EncodedImage(buffer.getvalue(), "image/jpeg")
