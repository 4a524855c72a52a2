"""Tables in order through files."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_pipeline.storage.external_sort import KEY_BITS, external_sort, range_keys, text_keys

SCHEMA = pa.schema([pa.field("key", pa.int64()), pa.field("place", pa.int64())])


def keys_of(table: pa.Table) -> np.ndarray:
    return table["key"].to_numpy()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.one_of(st.integers(0, 9), st.integers(0, 2**KEY_BITS - 1)), max_size=200),
    st.integers(1, 50),
    st.integers(1, 60),
)
def test_equal_keys_come_together_keys_rise_and_no_row_is_lost(tmp_path_factory, keys, max_rows, piece):
    folder = tmp_path_factory.mktemp("spill") / "work"
    whole = pa.table({"key": keys, "place": range(len(keys))}, schema=SCHEMA)
    tables = [whole.slice(start, piece) for start in range(0, len(whole), piece)]
    pieces = [table.to_pydict() for table in external_sort(tables, SCHEMA, folder, keys_of, max_rows)]
    ranges = [(min(piece["key"]), max(piece["key"])) for piece in pieces]
    assert all(before[1] < after[0] for before, after in zip(ranges, ranges[1:], strict=False))
    assert sorted(place for piece in pieces for place in piece["place"]) == list(range(len(keys)))
    for found in pieces:
        for key in set(found["key"]):  # rows of a key keep their order
            places = [place for one, place in zip(found["key"], found["place"], strict=True) if one == key]
            assert places == sorted(places)
            assert [keys[place] for place in places] == [key] * len(places)
    assert not folder.exists()


def test_pieces_are_of_the_size_that_was_asked_for(tmp_path):
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 2**KEY_BITS, 5000)
    tables = [pa.table({"key": keys, "place": keys})]
    sizes = [len(piece) for piece in external_sort(tables, SCHEMA, tmp_path / "work", keys_of, 100)]
    assert sum(sizes) == 5000
    assert max(sizes) <= 101


def test_a_reader_that_stops_in_the_middle_leaves_no_files(tmp_path):
    tables = [pa.table({"key": range(1000), "place": range(1000)})]
    pieces = external_sort(tables, SCHEMA, tmp_path / "work", keys_of, 10)
    next(pieces)
    pieces.close()
    assert list(tmp_path.iterdir()) == []


def test_keys_of_texts_never_change():
    assert text_keys(["", "cup"]).tolist() == [0, 0xB79D50E4 >> 2]  # the checksum of a zip file
    assert text_keys(["cup"] * 2).tolist() == text_keys(iter(["cup", "cup"])).tolist()


def test_keys_of_numbers_keep_their_order():
    keys = range_keys(np.arange(1000), 1000)
    assert (np.diff(keys) > 0).all()
    assert keys[-1] < 2**KEY_BITS
    with pytest.raises(ValueError, match="more than there are keys"):
        range_keys(np.arange(3), 2**31)
