"""Tars that may be packed (.tar.gz, .tar.bz2, .tar.xz), read once from their beginning to their end."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clip_pipeline.errors import InputError
from clip_pipeline.sources.tar_stream import tar_entries
from clip_pipeline.sources.wikimedia.compression import MAGIC_BYTES, ByteStream, decompressed, read_range

BUFFER_BYTES = 1 << 18


@contextmanager
def open_tar(path: Path, error: type[InputError]) -> Iterator[tuple[tarfile.TarFile, Iterator[tarfile.TarInfo]]]:
    """The tar and its entries, to be read in their order; how it is packed is seen from its first bytes.

    Raises `error` for damaged packing and for what unpacks without an end, TAR_ERRORS for a damaged tar.
    """
    with path.open("rb") as stream:
        beginning = stream.read(8)
        stream.seek(0)
        kind = next((kind for magic, kind in MAGIC_BYTES.items() if beginning.startswith(magic)), "none")
        if kind in ("none", "7z", "zip", "zstd", "lzma"):
            with tar_entries(stream) as entries:
                yield entries
            return
        pieces = decompressed(read_range(path, 0, path.stat().st_size), kind, str(path), error)
        unpacked = io.BufferedReader(ByteStream(pieces, path.name), BUFFER_BYTES)
        with tar_entries(unpacked, path.stat().st_size) as entries:
            yield entries
