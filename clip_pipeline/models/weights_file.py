"""A file of weights before a library reads it: whether what it says of itself can be true."""

from __future__ import annotations

import re
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


NAMES_SHOWN = 4
_MISSING = re.compile(r"Missing key\(s\) in state_dict: (.+?)\. *(?:\n|$)")
_UNKNOWN = re.compile(r"Unexpected key\(s\) in state_dict: (.+?)\. *(?:\n|$)")
_QUOTED = re.compile(r'"([^"]+)"')
_RESIZED = re.compile(
    r"size mismatch for (\S+): copying a param with shape (.+?) from checkpoint, the shape in current model is (.+)\."
)


def misfit_reason(error: BaseException) -> str:
    """Which weights are missing, unknown or of another size, where that is why torch did not load a file; else empty."""
    text = str(error)
    if "loading state_dict" not in text:
        return ""
    parts = []
    for what, pattern in (("lacks", _MISSING), ("has the unknown", _UNKNOWN)):
        if found := pattern.search(text):
            parts.append(f"the file {what} {_some(_QUOTED.findall(found[1]))}")
    resized = [(name, _size(found), _size(wanted)) for name, found, wanted in _RESIZED.findall(text)]
    for name, stored, wanted in resized:
        if name.endswith("token_embedding.weight"):
            return (
                f"its weights have {stored.split('×')[0]} tokens, its configuration says {wanted.split('×')[0]}. They belong to different "
                "models: copy both from one training."
            )
    if resized:
        parts.append(_some([f"{name} is {stored} instead of {wanted}" for name, stored, wanted in resized]))
    return "; ".join(parts) + "." if parts else ""


def _some(names: list[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _size(shape: str) -> str:
    return "×".join(re.findall(r"\d+", shape)) or "one number"
