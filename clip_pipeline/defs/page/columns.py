"""The declared columns of an asset's table as Dagster shows them, and which of them are an input's."""

from collections.abc import Iterable

import dagster as dg
import pyarrow as pa

from clip_pipeline.pipeline.asset import Asset
from clip_pipeline.pipeline.stages import find_asset
from clip_pipeline.records import about_column


def columns(declared: Iterable[pa.Field]) -> dg.TableSchema:
    """The table schema of the page: names, types, sentences, and which may be null."""
    return dg.TableSchema(
        [
            dg.TableColumn(
                column.name,
                "struct" if pa.types.is_struct(column.type) else str(column.type),
                description=about_column(column),
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for column in declared
        ]
    )


def column_lineage(asset: Asset) -> dg.TableColumnLineage | None:
    """The columns that are taken over from inputs: name, type and sentence are the same. None where there are none."""
    taken = {
        column.name: [
            dg.TableColumnDep(asset_key=before, column_name=column.name)
            for before in asset.after
            if any(_same(column, other) for other in find_asset(before).columns)
        ]
        for column in asset.columns
    }
    taken = {name: inputs for name, inputs in taken.items() if inputs}
    return dg.TableColumnLineage(taken) if taken else None


def _same(column: pa.Field, other: pa.Field) -> bool:
    return (column.name, column.type, about_column(column)) == (other.name, other.type, about_column(other))
