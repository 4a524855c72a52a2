"""What the Dagster page shows of an artifact: numbers, a table, pictures of at most 100 KB, and the path to the rest."""

import base64
import json

import dagster as dg

from clip_pipeline.pipeline.previews import preview
from clip_pipeline.store import Materialised

LARGEST_PICTURE_BYTES = 100_000
"""Pictures live in Dagster's event log: more than this makes the page slow."""


def artifact_metadata(outcome: Materialised) -> dict[str, dg.MetadataValue]:
    """Metadata of one materialisation."""
    artifact = outcome.artifact
    metadata: dict[str, dg.MetadataValue] = {
        "cache": dg.MetadataValue.text("hit" if outcome.hit else f"built: {outcome.reason}"),
        "folder": dg.MetadataValue.path(str(artifact.folder)),
        "size (MB)": dg.MetadataValue.float(round(artifact.size_bytes / 1e6, 3)),
        "fingerprint": dg.MetadataValue.text(artifact.fingerprint[:16]),
        "content": dg.MetadataValue.text(artifact.content[:16]),
        "build seconds": dg.MetadataValue.float(artifact.manifest["seconds"]),
    }
    for name, count in artifact.rows.items():
        metadata[name] = dg.MetadataValue.int(count)
    if artifact.rows:
        metadata["dagster/row_count"] = dg.MetadataValue.int(next(iter(artifact.rows.values())))
    for name, value in artifact.facts.items():
        metadata[name] = _fact_value(value)
    shown = preview(artifact)
    if shown.table:
        records = [dg.TableRecord(dict(zip(shown.columns, row, strict=True))) for row in shown.table]
        metadata["first rows"] = dg.MetadataValue.table(
            records, dg.TableSchema([dg.TableColumn(c) for c in shown.columns])
        )
    for name, picture in shown.pictures.items():
        if len(picture.content) <= LARGEST_PICTURE_BYTES:
            encoded = base64.b64encode(picture.content).decode()
            metadata[name] = dg.MetadataValue.md(f"![{name}](data:{picture.media_type};base64,{encoded})")
    return metadata


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
