from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.formats.idx import TYPES, idx_shape, read_idx


@given(
    kind=st.sampled_from(sorted(TYPES)), shape=st.lists(st.integers(0, 4), min_size=1, max_size=4), packed=st.booleans()
)
def test_every_type_and_shape_comes_back(tmp_path_factory, kind, shape, packed):
    array = np.arange(np.prod(shape)).reshape(shape).astype(TYPES[kind])
    content = bytes([0, 0, kind, len(shape)]) + np.array(shape, ">u4").tobytes() + array.tobytes()
    path = tmp_path_factory.mktemp("idx") / "some-idx"
    path.write_bytes(gzip.compress(content) if packed else content)
    assert idx_shape(path) == tuple(shape)
    assert np.array_equal(read_idx(path), array) and read_idx(path).dtype == array.dtype


@given(content=st.binary(max_size=40))
def test_any_other_bytes_are_refused_with_a_sentence(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("idx") / "some-idx"
    path.write_bytes(content)
    try:
        read_idx(path)
    except PhotosError as error:
        assert "Get it again" in str(error) or "were expected" in str(error)


def test_more_than_the_header_says_is_told(tmp_path):
    (tmp_path / "x").write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x02abc"))
    with pytest.raises(PhotosError, match="holds more than the 10 bytes"):
        read_idx(tmp_path / "x")
    (tmp_path / "y").write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x02ab")[:-9])
    with pytest.raises(PhotosError, match="y is cut"):
        read_idx(tmp_path / "y")
