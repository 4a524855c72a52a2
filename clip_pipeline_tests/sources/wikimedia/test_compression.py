from __future__ import annotations

import bz2
import gzip
import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.errors import DumpError
from clip_pipeline.sources.wikimedia.compression import MAX_PIECE_BYTES, compression_of, decompressed, read_range

COMPRESS = {
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "none": bytes,
}
CONTENT = b"some text that repeats, some text that repeats. " * 50


@pytest.mark.parametrize("kind", COMPRESS)
def test_concatenated_streams_are_one_content(kind, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(COMPRESS[kind](CONTENT) + COMPRESS[kind](b"and more"))
    assert compression_of(path) == kind
    assert b"".join(decompressed(read_range(path, 0, path.stat().st_size), kind, "x")) == CONTENT + b"and more"


@pytest.mark.slow
@given(
    st.lists(st.binary(max_size=200), max_size=4), st.integers(1, 50), st.sampled_from(["bz2", "xz", "lzma", "gzip"])
)
def test_the_content_does_not_depend_on_how_the_bytes_arrive(contents, chunk, kind):
    packed = b"".join(COMPRESS[kind](content) for content in contents)
    chunks = (packed[start : start + chunk] for start in range(0, len(packed), chunk))
    assert b"".join(decompressed(chunks, kind, "x")) == b"".join(contents)


@pytest.mark.parametrize("kind", ["bz2", "xz", "lzma", "gzip"])
def test_cut_data_raises_at_every_length(kind):
    packed = COMPRESS[kind](CONTENT)
    # A whole .lzma stream may end some bytes before its file does, where its header tells the size.
    for length in range(1, len(packed) - 8):
        with pytest.raises(DumpError, match="is cut|is damaged"):
            list(decompressed([packed[:length]], kind, "x"))


@pytest.mark.parametrize("kind", ["bz2", "xz", "gzip"])
def test_rubbish_after_a_stream_raises_and_zeros_do_not(kind):
    assert b"".join(decompressed([COMPRESS[kind](CONTENT), b"\0" * 700], kind, "x")) == CONTENT
    with pytest.raises(DumpError, match="damaged|cut"):
        list(decompressed([COMPRESS[kind](CONTENT) + b"rubbish, not a further stream"], kind, "x"))


def test_pieces_stay_small_whatever_the_ratio():
    sizes = [len(piece) for piece in decompressed([bz2.compress(bytes(30_000_000))], "bz2", "x")]
    assert sum(sizes) == 30_000_000 and max(sizes) <= MAX_PIECE_BYTES


def test_a_file_that_cannot_be_read_gets_a_sentence(tmp_path):
    with pytest.raises(DumpError, match="There is no dump file"):
        compression_of(tmp_path / "absent.bz2")
    with pytest.raises(DumpError, match="is a folder"):
        compression_of(tmp_path)
    (tmp_path / "empty.bz2").touch()
    with pytest.raises(DumpError, match=r"is empty \(0 bytes\)"):
        compression_of(tmp_path / "empty.bz2")
    (tmp_path / "x.7z").write_bytes(b"7z\xbc\xaf\x27\x1c rest")
    with pytest.raises(DumpError, match=r"7z archive.*Unpack it first with \"7z x x.7z\""):
        compression_of(tmp_path / "x.7z")
