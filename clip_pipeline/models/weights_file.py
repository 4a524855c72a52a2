"""A file of weights before a library reads it: whether what it says of itself can be true."""

from __future__ import annotations

from pathlib import Path

from clip_pipeline.errors import ModelError
from clip_pipeline.machine.bounded import parse_json

MAX_HEADER_BYTES = 16_000_000
"""Of safetensors: a model of 10,000 tensors has 1 MB; the library itself reads 100 MB, which take gigabytes."""


def check_weights_file(path: Path) -> int:
    """Looks at the header of a .safetensors file; returns the bytes of its weights, for any other file its size.

    Raises ModelError for a header that is none, or is longer than that of any model.
    """
    size = path.stat().st_size
    if path.suffix != ".safetensors":
        return size
    with path.open("rb") as stream:
        start = stream.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
            raise ModelError(
                f"{path} is no whole safetensors file: it says that it describes itself in {length:,} bytes, has {size:,} in all, "
                f"and {MAX_HEADER_BYTES:,} are the most that are read. Copy or download it again."
            )
        header = stream.read(length)
    try:
        tensors = parse_json(header, MAX_HEADER_BYTES)
        ends = [int(one["data_offsets"][1]) for name, one in tensors.items() if name != "__metadata__"]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ModelError(
            f"{path} is no safetensors file: its header is not in their form ({str(error)[:100]}). Copy or download it again."
        ) from None
    if max(ends, default=0) > size - 8 - length:
        raise ModelError(
            f"{path} is cut: its weights end at byte {8 + length + max(ends):,}, it has {size:,}. Copy or download it again."
        )
    return size - 8 - length
