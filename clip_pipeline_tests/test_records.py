"""The columns of the tables: each has a sentence, and no sentence is in a file."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline import records
from clip_pipeline.pipeline.assets import ASSETS

TABLES = [name.removesuffix("_COLUMNS") for name in vars(records) if name.endswith("_COLUMNS")]
SCHEMAS = [name for name in TABLES if isinstance(getattr(records, name, None), pa.Schema)]


@pytest.mark.parametrize("name", TABLES)
def test_every_column_has_a_sentence_of_its_own(name):
    columns = getattr(records, f"{name}_COLUMNS")
    sentences = [records.about_column(column) for column in columns]
    assert all(sentences) and len(set(sentences)) == len(sentences)
    for sentence in sentences:
        assert not sentence.endswith("."), "a phrase in a table has no full stop"


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_reworded_sentence_changes_no_byte_of_a_file(name):
    schema = getattr(records, name)
    assert schema.names == [column.name for column in getattr(records, f"{name}_COLUMNS")]
    buffer = io.BytesIO()
    pq.write_table(schema.empty_table(), buffer)
    assert b"about" not in buffer.getvalue()
    assert schema.equals(pa.schema([field.remove_metadata() for field in schema]), check_metadata=True)


def test_every_asset_with_a_table_declares_its_columns():
    for asset in ASSETS:
        assert all(records.about_column(column) for column in asset.columns), asset.name
