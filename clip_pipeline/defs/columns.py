"""Arrow schemas as Dagster shows them."""

import dagster as dg
import pyarrow as pa


def columns(schema: pa.Schema) -> dg.TableSchema:
    """The table schema of the page for an Arrow schema."""
    return dg.TableSchema(
        [
            dg.TableColumn(
                column.name, str(column.type), constraints=dg.TableColumnConstraints(nullable=column.nullable)
            )
            for column in schema
        ]
    )
