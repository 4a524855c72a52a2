"""What the Dagster page shows of an artifact: numbers, a table, pictures of at most 100 KB, and the path to the rest."""

import base64
import json

import dagster as dg

from clip_pipeline.pipeline.previews import TABLES, preview
from clip_pipeline.store import Artifact, Materialised

LARGEST_PICTURE_BYTES = 100_000
"""Pictures live in Dagster's event log: more than this makes the page slow."""


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
    if artifact.key.asset in TABLES:
        metadata["dagster/row_count"] = dg.MetadataValue.int(artifact.rows[TABLES[artifact.key.asset].counted])
    return metadata


def _look_inside(artifact: Artifact) -> dict[str, dg.MetadataValue]:
    """Pictures and first rows: what people look at first."""
    shown = preview(artifact)
    inside: dict[str, dg.MetadataValue] = {}
    for name, picture in shown.pictures.items():
        if len(picture.content) <= LARGEST_PICTURE_BYTES:
            encoded = base64.b64encode(picture.content).decode()
            inside[name] = dg.MetadataValue.md(f"![{name}](data:{picture.media_type};base64,{encoded})")
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
