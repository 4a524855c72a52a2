"""A file of weights before a library reads it: whether what it says of itself can be true."""

from __future__ import annotations

import re
from pathlib import Path

from clip_pipeline.errors import ModelError
from clip_pipeline.machine.bounded import parse_json
from clip_pipeline.machine.file_kinds import looks_like

MAX_HEADER_BYTES = 16_000_000
"""Of safetensors: a model of 10,000 tensors has 1 MB; the library itself reads 100 MB, which take gigabytes."""


WEIGHTS_ENDINGS = (".safetensors", ".bin", ".pth")
PREFERRED = (
    *("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin"),
    *("open_clip_pytorch_model.pth", "model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth"),
)
"""Names of weights in a folder, the first that is there being what open_clip 3.3 reads."""

SHARD = re.compile(r"(?P<name>.+)-\d{5}-of-(?P<count>\d{5})\.(safetensors|bin)")
LFS_POINTER = b"version https://git-lfs"
ARRAYS = (".npz", ".npy")
"""Of big_vision, which open_clip reads for ARCHITECTURE/FILE."""

PICKLES = (b"PK\x03\x04", b"\x80")
"""Beginnings of what torch saves, in its form of today and before 1.6."""


def weights_file_of(folder: Path) -> Path | None:
    """The file of weights in a folder that open_clip reads; None without any. Raises ModelError where they lie in several shards, of which it
    would read the first alone."""
    found = sorted(path for path in folder.iterdir() if path.suffix in WEIGHTS_ENDINGS)
    named = [folder / name for name in PREFERRED if folder / name in found]
    shards = [path for path in found if SHARD.fullmatch(path.name)]
    if shards and not named:
        raise ModelError(
            f"The weights in {folder} lie in {len(shards)} shards, {shards[0].name} and others, which open_clip does not read. Join them into "
            f"{folder / PREFERRED[0]}: read each, update one dictionary, and write it with safetensors.torch.save_file."
        )
    return next(iter([*named, *sorted(found, key=lambda path: path.suffix != WEIGHTS_ENDINGS[0])]), None)


def check_weights_file(path: Path) -> int:
    """Looks at the beginning of a file of weights, and at the whole header of .safetensors; returns the bytes of its weights, for any other
    file its size. Raises ModelError for one that is none, and for a header that is none, or is longer than that of any model."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        beginning = stream.read(64)
    if beginning.startswith(LFS_POINTER):
        raise ModelError(
            f"{path} holds no weights: it is what Git LFS leaves in their place. Run `git lfs pull` where it was cloned, or download the file."
        )
    if path.suffix != ".safetensors":
        if path.suffix not in ARRAYS and not beginning.startswith(PICKLES):
            raise ModelError(
                f"{path} is no file of weights, it looks like {looks_like(beginning)}. Copy or download it again."
            )
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


def misfit_reason(error: BaseException, file: str) -> str:
    """Which weights are missing, unknown or of another size, where that is why torch did not load a file; else empty. file: its name."""
    text = str(error)
    if "loading state_dict" not in text:
        return ""
    missing, unknown = (
        _QUOTED.findall(found[1]) if (found := pattern.search(text)) else [] for pattern in (_MISSING, _UNKNOWN)
    )
    if otherwise := _named_otherwise(missing, unknown, file):
        return otherwise
    parts = [f"lacks {_some(missing)}"] if missing else []
    parts += [f"has the unknown {_some(unknown)}"] if unknown else []
    parts = [f"{file} {' and '.join(parts)}"] if parts else []
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


def _named_otherwise(missing: list[str], unknown: list[str], file: str) -> str:
    """What is to be done where a file holds the weights by names that open_clip does not know."""
    if (
        missing
        and unknown
        and unknown[0].endswith(f".{missing[0]}")
        or {f"_orig_mod.{name}" for name in missing} & set(unknown)
    ):
        prefix = next(name for name in unknown if name.endswith(tuple(f".{one}" for one in missing)))
        prefix = prefix.removesuffix(next(one for one in missing if prefix.endswith(f".{one}")))
        return (
            f'in {file} all names begin with "{prefix}", as where something was wrapped around the model. Save the weights again by their names '
            "without it."
        )
    if missing and unknown and not any("." in name for name in unknown) and len(unknown) < len(missing):
        return f"{file} is a dictionary of {_some(unknown)}, and open_clip looks for the weights in it, or under state_dict. Save the weights alone."
    return ""


def _some(names: list[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _size(shape: str) -> str:
    return "×".join(re.findall(r"\d+", shape)) or "one number"
