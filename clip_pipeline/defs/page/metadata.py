"""What the Dagster page shows of an artifact: scores and counts as numbers, tables, images, and the path to the rest."""

import base64
import json
from collections.abc import Iterator, Mapping

import dagster as dg

from clip_pipeline.defs.page.columns import column_lineage
from clip_pipeline.display.left_out import FACT
from clip_pipeline.pipeline.asset import Asset
from clip_pipeline.pipeline.previews.preview import MAX_IMAGE_BYTES, EncodedImage, Table, preview
from clip_pipeline.pipeline.stages import find_asset
from clip_pipeline.storage.artifacts import Materialised
from clip_pipeline.storage.manifest import Artifact

CACHE = "Cache"
"""Whether the artifact was there or was built, and why."""

Entry = tuple[str, dg.MetadataValue]


def artifact_metadata(outcome: Materialised) -> dict[str, dg.MetadataValue]:
    """Metadata of one materialisation, in the order in which people ask: results, counts, facts, tables, images, where it lies.

    Raises ValueError where two entries of different values would have one name: a name that hides another is a mistake in the
    declaration, and a test builds all assets.
    """
    artifact = outcome.artifact
    asset = find_asset(artifact.key.asset)
    metadata: dict[str, dg.MetadataValue] = {}
    for name, value in _entries(asset, outcome):
        if metadata.setdefault(name, value) != value:
            raise ValueError(f"Two entries of {artifact.key} are called {name!r}: {metadata[name]} and {value}.")
    return metadata


def _entries(asset: Asset, outcome: Materialised) -> Iterator[Entry]:
    artifact = outcome.artifact
    shown = preview(artifact)
    for name, number in shown.numbers.items():
        yield name, dg.MetadataValue.float(float(number))
    yield from _counts(asset, artifact)
    yield from _facts(asset, artifact, scored=bool(shown.numbers))
    for name, table in shown.tables.items():
        yield name, _table_value(table)
    for name, image in shown.images.items():
        yield name, _shown_image(name, image)
    for name, note in shown.notes.items():
        yield name, dg.MetadataValue.text(note)
    for name, path in shown.pages.items():
        yield name, dg.MetadataValue.path(str(path))
    yield CACHE, dg.MetadataValue.text("hit" if outcome.hit else f"built: {outcome.reason}")
    yield "Folder", dg.MetadataValue.path(str(artifact.folder))
    yield "Size (MB)", dg.MetadataValue.float(round(artifact.size_bytes / 1e6, 3))
    yield "Build seconds", dg.MetadataValue.float(artifact.manifest["seconds"])
    yield "Fingerprint", dg.MetadataValue.text(artifact.fingerprint[:16])
    yield "Content", dg.MetadataValue.text(artifact.content[:16])
    if lineage := column_lineage(asset):
        yield "dagster/column_lineage", dg.MetadataValue.column_lineage(lineage)


def _counts(asset: Asset, artifact: Artifact) -> Iterator[Entry]:
    for name, count in artifact.rows.items():
        yield _label(name), dg.MetadataValue.int(count)
    for kind in asset.preview:
        if counted := getattr(kind, "counted", ""):
            yield "dagster/row_count", dg.MetadataValue.int(artifact.rows[counted])


def _facts(asset: Asset, artifact: Artifact, scored: bool) -> Iterator[Entry]:
    """The key facts, then single values, then those that hold several. scored: the scores among them are shown under their names
    already."""
    facts = {name: value for name, value in artifact.facts.items() if name not in asset.repeated_facts}
    order = [*(name for name in asset.key_facts if name in facts), *facts]
    for name in sorted(
        dict.fromkeys(order), key=lambda name: name not in asset.key_facts and _holds_several(facts[name])
    ):
        value = facts[name]
        if name == FACT:
            yield (
                _label(name),
                _table_value(Table(("What", "Number", "Setting", "Example"), [tuple(row) for row in value])),
            )
            continue
        is_score = isinstance(value, float) or _are_numbers(value)
        if value not in ([], {}) and not (scored and is_score):
            yield _label(name), _several(name, value) if _holds_several(value) else _fact_value(value)


def _holds_several(value: object) -> bool:
    return isinstance(value, (dict, list))


def _are_numbers(value: object) -> bool:
    return isinstance(value, dict) and all(type(one) in (int, float) for one in value.values())


def _several(name: str, value: dict | list) -> dg.MetadataValue:
    """Counts as a table, the largest first unless their names are numbers; sentences as text; anything else as JSON."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return dg.MetadataValue.text(" ".join(value))
    if isinstance(value, list) or not _are_numbers(value):
        return _fact_value(value)
    numbers = {
        str(key): number for key, number in value.items()
    }  # a manifest that was just made may hold keys of any kind
    by_number = all(key.replace(".", "", 1).isdigit() for key in numbers)
    order = (lambda item: float(item[0])) if by_number else (lambda item: -item[1])
    return _table_value(Table((_label(name), "Number"), sorted(numbers.items(), key=order)))


def _label(name: str) -> str:
    """`best_validation_loss` and `results left out` as people write them: Best validation loss, Results left out."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def observation(asset: str, partition: str, numbers: Mapping[str, float], image: bytes) -> dg.AssetObservation:
    """What there is so far of an artifact that takes long: numbers, which the page draws over time, and an image (PNG)."""
    shown = {_label(name): _fact_value(value) for name, value in numbers.items()}
    if len(image) <= MAX_IMAGE_BYTES:
        shown["So far"] = _shown_image("So far", EncodedImage(image, "image/png"))
    return dg.AssetObservation(asset, partition=partition or None, metadata=shown)


def _shown_image(name: str, image: EncodedImage) -> dg.MetadataValue:
    encoded = base64.b64encode(image.content).decode()
    return dg.MetadataValue.md(f"![{name}](data:{image.media_type};base64,{encoded})")


def _table_value(table: Table) -> dg.MetadataValue:
    records = [dg.TableRecord(dict(zip(table.columns, row, strict=True))) for row in table.rows]
    return dg.MetadataValue.table(records, dg.TableSchema([dg.TableColumn(column) for column in table.columns]))


def _fact_value(value: object) -> dg.MetadataValue:
    if isinstance(value, bool) or value is None:
        return dg.MetadataValue.text({True: "yes", False: "no", None: "none"}[value])  # type: ignore[index]
    if isinstance(value, int):
        return dg.MetadataValue.int(value)
    if isinstance(value, float):
        return dg.MetadataValue.float(value)
    if isinstance(value, str):
        return dg.MetadataValue.text(value)
    return dg.MetadataValue.json(json.loads(json.dumps(value)))
