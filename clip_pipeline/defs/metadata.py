"""What the Dagster page shows of an artifact: numbers, a table, images of at most 100 KB, and the path to the rest."""

import base64
import json
from collections.abc import Mapping

import dagster as dg

from clip_pipeline.pipeline.asset import StoredTable
from clip_pipeline.pipeline.previews import preview
from clip_pipeline.pipeline.stages import find_asset
from clip_pipeline.storage.artifacts import Materialised
from clip_pipeline.storage.manifest import Artifact

MAX_IMAGE_BYTES = 100_000
"""Images live in Dagster's event log: more than this makes the page slow."""


def artifact_metadata(outcome: Materialised) -> dict[str, dg.MetadataValue]:
    """Metadata of one materialisation."""
    artifact = outcome.artifact
    metadata = _look_inside(artifact)
    for name, count in artifact.rows.items():
        metadata[name] = dg.MetadataValue.int(count)
    for name, value in artifact.facts.items():
        metadata[name] = _fact_value(value)
    metadata |= {
        "cache": dg.MetadataValue.text("hit" if outcome.hit else f"built: {outcome.reason}"),
        "folder": dg.MetadataValue.path(str(artifact.folder)),
        "size (MB)": dg.MetadataValue.float(round(artifact.size_bytes / 1e6, 3)),
        "build seconds": dg.MetadataValue.float(artifact.manifest["seconds"]),
        "fingerprint": dg.MetadataValue.text(artifact.fingerprint[:16]),
        "content": dg.MetadataValue.text(artifact.content[:16]),
    }
    shown = find_asset(artifact.key.asset).preview
    if isinstance(shown, StoredTable):
        metadata["dagster/row_count"] = dg.MetadataValue.int(artifact.rows[shown.counted])
    return metadata


def observation(asset: str, partition: str, numbers: Mapping[str, float], image: bytes) -> dg.AssetObservation:
    """What there is so far of an artifact that takes long: numbers, which the page draws over time, and an image (PNG)."""
    shown = {name: _fact_value(value) for name, value in numbers.items()}
    if len(image) <= MAX_IMAGE_BYTES:
        shown["so far"] = _shown_image("so far", image, "image/png")
    return dg.AssetObservation(asset, partition=partition or None, metadata=shown)


def _shown_image(name: str, content: bytes, media_type: str) -> dg.MetadataValue:
    encoded = base64.b64encode(content).decode()
    return dg.MetadataValue.md(f"![{name}](data:{media_type};base64,{encoded})")


def _look_inside(artifact: Artifact) -> dict[str, dg.MetadataValue]:
    """Images and first rows: what people look at first."""
    shown = preview(artifact)
    inside: dict[str, dg.MetadataValue] = {}
    for name, image in shown.images.items():
        if len(image.content) <= MAX_IMAGE_BYTES:
            inside[name] = _shown_image(name, image.content, image.media_type)
    if shown.table:
        records = [dg.TableRecord(dict(zip(shown.columns, row, strict=True))) for row in shown.table]
        schema = dg.TableSchema([dg.TableColumn(column) for column in shown.columns])
        inside["first rows"] = dg.MetadataValue.table(records, schema)
    return inside


def _fact_value(value: object) -> dg.MetadataValue:
    if isinstance(value, bool) or value is None:
        return dg.MetadataValue.text(str(value))
    if isinstance(value, int):
        return dg.MetadataValue.int(value)
    if isinstance(value, float):
        return dg.MetadataValue.float(value)
    if isinstance(value, str):
        return dg.MetadataValue.text(value)
    return dg.MetadataValue.json(json.loads(json.dumps(value)))
