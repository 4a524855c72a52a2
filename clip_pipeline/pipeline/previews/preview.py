"""A look into an artifact: numbers to follow over time, tables, and images small enough for a web page."""

from __future__ import annotations

import fnmatch
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from clip_pipeline.display.printable import printable_line
from clip_pipeline.pipeline.asset import ContactSheet, Figures, LearningCurve, Page, PreviewKind, Scores, StoredTable
from clip_pipeline.pipeline.previews.scores import (
    comparison_table,
    curve_numbers,
    curve_table,
    score_numbers,
    score_table,
)
from clip_pipeline.pipeline.stages import find_asset
from clip_pipeline.storage.manifest import Artifact

ROWS_SHOWN = 8
READ_ROWS = 65_536
MAX_TEXT = 80
CONTACT_SHEET_PHOTOS = (4, 8)  # rows, columns
CONTACT_SHEET_PHOTO_PX = 72

MAX_IMAGE_BYTES = 100_000
MAX_IMAGES_BYTES = 300_000
"""Images live in Dagster's event log: one larger than the first, or all of one artifact's larger than the second, make the page slow."""
SIDES_AND_QUALITIES = ((1000, 85), (900, 75), (760, 70), (640, 65), (520, 60), (400, 50))
"""What a figure is tried with until it is small enough, the longer side in pixels and JPEG's quality."""
MAX_FIGURES = 6
MAX_NUMBERS = 60
"""Each is a plot of its own on the page."""


@dataclass(frozen=True)
class EncodedImage:
    """An encoded image and its media type."""

    content: bytes
    media_type: str


@dataclass(frozen=True)
class Table:
    """Rows of text or numbers under the names of their columns."""

    columns: tuple[str, ...]
    rows: Sequence[Sequence[str | int | float | None]]


@dataclass(frozen=True)
class Preview:
    """Everything by title: numbers that are followed over time, tables, images, files for a browser, and notes."""

    numbers: dict[str, float] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)
    images: dict[str, EncodedImage] = field(default_factory=dict)
    pages: dict[str, Path] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def preview(artifact: Artifact) -> Preview:
    """What is worth showing of an artifact, as it is declared in `declared/`; empty for some."""
    whole = Preview()
    for kind in find_asset(artifact.key.asset).preview:
        _add(whole, artifact, kind)
    return whole


def _add(whole: Preview, artifact: Artifact, kind: PreviewKind) -> None:
    match kind:
        case StoredTable():
            title = f"Rows with the largest {kind.largest}" if kind.largest else "First rows"
            whole.tables[title] = Table(kind.columns, _first_rows(artifact, kind))
        case ContactSheet():
            whole.images["Sample photos"] = _contact_sheet(artifact)
        case Figures():
            images, left_out = _figures(artifact, kind.files)
            whole.images.update(images)
            if left_out:
                whole.notes["More figures in the folder"] = ", ".join(left_out)
        case Scores():
            rows = _scores(artifact)
            numbers = list(score_numbers(rows, kind.of_all).items())
            whole.numbers.update(numbers[:MAX_NUMBERS])
            if (more := len(numbers) - MAX_NUMBERS) > 0:
                whole.notes["More scores"] = f"{more} are in scores.json, not numbers here"
            if rows:
                title = "Scores at a glance, with 95 % intervals" if kind.of_all else "Scores with 95 % intervals"
                whole.tables[title] = Table(*score_table(rows, kind.of_all))
            if path := _comparison(artifact, kind):
                whole.tables["Variants compared"] = Table(*comparison_table(path))
        case LearningCurve():
            whole.numbers.update(curve_numbers(artifact.folder))
            whole.tables["Learning curve"] = Table(*curve_table(artifact.folder))
        case Page():
            whole.pages[Path(kind.file).stem.capitalize()] = artifact.file(kind.file)


def _comparison(artifact: Artifact, kind: Scores) -> Path | None:
    """The comparison of a report on several training variants."""
    from clip_pipeline.evaluation.report.variants import COMPARISON_FILE

    return artifact.file(COMPARISON_FILE) if kind.of_all and COMPARISON_FILE in artifact.manifest["files"] else None


def _scores(artifact: Artifact) -> list[Mapping]:
    from clip_pipeline.evaluation.scores import SCORES_FILE, read_scores

    return list(read_scores(artifact.file(SCORES_FILE)))


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
    text = printable_line(" / ".join(value) if isinstance(value, list) else str(value))
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _contact_sheet(artifact: Artifact) -> EncodedImage:
    from PIL import Image, ImageOps

    from clip_pipeline.pixels.decode import decode
    from clip_pipeline.sources.photos.formats.tar_index import read_shard
    from clip_pipeline.sources.photos.formats.tar_keys import photo_ending

    rows, columns = CONTACT_SHEET_PHOTOS
    size = CONTACT_SHEET_PHOTO_PX
    sheet = Image.new("RGB", (columns * size, rows * size), "white")
    shard = artifact.file(f"{artifact.key.partition}.tar")
    for place, (_, members) in zip(range(rows * columns), read_shard(shard), strict=False):
        photo = Image.fromarray(decode(members[photo_ending(members)]).rows_HW3)
        tile = ImageOps.fit(photo, (size, size))
        sheet.paste(tile, (place % columns * size, place // columns * size))
    return _small_enough(sheet, MAX_IMAGE_BYTES)


def _figures(artifact: Artifact, patterns: Sequence[str]) -> tuple[dict[str, EncodedImage], list[str]]:
    """The figures by title, and the names of those that were too many."""
    from PIL import Image

    names = [
        name
        for pattern in patterns
        for name in sorted(artifact.manifest["files"])
        if fnmatch.fnmatchcase(name, pattern)
    ]
    shown, left_out = names[:MAX_FIGURES], names[MAX_FIGURES:]
    images = {}
    for name in shown:
        with Image.open(artifact.file(name)) as figure:
            limit = min(MAX_IMAGE_BYTES, MAX_IMAGES_BYTES // len(shown))
            images[f"Figure: {Path(name).stem.replace('_', ' ')}"] = _small_enough(figure.convert("RGB"), limit)
    return images, left_out


def _small_enough(image, limit: int) -> EncodedImage:
    """The image as JPEG of at most `limit` bytes: as large and as good as fits, and the smallest of all tries where none does."""
    for side, quality in SIDES_AND_QUALITIES:
        smaller = image.copy()
        smaller.thumbnail((side, side))
        buffer = io.BytesIO()
        smaller.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= limit:
            break
    return EncodedImage(buffer.getvalue(), "image/jpeg")
