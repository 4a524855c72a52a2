"""Tokenizers that others have made: CLIP's own byte-pair encoding, and those of Hugging Face."""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from clip_pipeline.errors import ModelError
from clip_pipeline.machine.foreign_code import (
    loading_reason,
    panics_are_errors,
    refuse_code_of_folder,
    without_foreign_code,
)
from clip_pipeline.machine.progress import waiting
from clip_pipeline.text.bpe import END, PAD, START, byte_letters

CLIP_START, CLIP_END = "<start_of_text>", "<end_of_text>"
CLIP_MERGES_FILE = "bpe_simple_vocab_16e6.txt.gz"
CLIP_MERGES = 49_152 - 256 - 2
"""CLIP uses the first merges of the file and leaves the rest (open_clip/tokenizer.py, after openai/CLIP)."""

_CLIP_PIECES = r"(?i)'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def clip_tokenizer() -> tuple[Any, dict[str, str]]:
    """CLIP's tokenizer of 49,408 tokens from the file that open_clip ships, and the names of its special tokens.

    It gives the ids of open_clip's `SimpleTokenizer`. CLIP has no token for padding: as in OpenAI's publication for
    transformers the end token is named for it; `tokenizer.CaptionTokenizer` fills up with 0, as open_clip does.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    spec = importlib.util.find_spec("open_clip")  # finds it without importing it, and torch with it
    if spec is None or spec.origin is None:
        raise ModelError(
            "open_clip is not installed, and CLIP's tokenizer is a file of it. pip install open_clip_torch"
        )
    path = Path(spec.origin).parent / CLIP_MERGES_FILE
    lines = gzip.decompress(path.read_bytes()).decode("utf-8").split("\n")
    merges = [(line.split()[0], line.split()[1]) for line in lines[1 : CLIP_MERGES + 1]]
    alphabet = list(byte_letters())
    tokens = [*alphabet, *(f"{letter}</w>" for letter in alphabet), *("".join(merge) for merge in merges)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.Replace(Regex(r"\s+"), " "),
            normalizers.Strip(),
            normalizers.Lowercase(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_CLIP_PIECES), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    word_ends = [decoders.Replace(Regex("</w>$"), ""), decoders.Replace("</w>", " ")]
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), *word_ends])
    tokenizer.add_special_tokens([CLIP_START, CLIP_END])
    return tokenizer, {"bos_token": CLIP_START, "eos_token": CLIP_END, "pad_token": CLIP_END}


def hugging_face_tokenizer(
    name_or_folder: str, hub: Callable[[], AbstractContextManager[None]] = nullcontext
) -> tuple[Any, dict[str, str]]:
    """A tokenizer of Hugging Face, and the names of its special tokens.

    name_or_folder: a folder that transformers reads, or a name such as google-bert/bert-base-uncased, which
    transformers fetches inside `hub`. Its own start (or class), end (or separator) and padding tokens are used; where it has none, or
    one token has two of these parts, [SOS], [EOS] or [NON] is added. Raises ModelError when it cannot be had, or needs code
    of its own.
    """
    from tokenizers import Tokenizer

    with waiting("Loading transformers"):
        from transformers import AutoTokenizer

    folder = Path(name_or_folder).expanduser()
    name = str(folder) if folder.is_dir() else name_or_folder
    if folder.is_dir():
        refuse_code_of_folder(folder)
    try:
        offline = nullcontext() if folder.is_dir() else hub()
        with offline, without_foreign_code(f'The tokenizer "{name_or_folder}"'), panics_are_errors():
            loaded = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(_no_such_tokenizer(name_or_folder, folder, error)) from error
    backend = getattr(loaded, "backend_tokenizer", None)
    if backend is None:
        raise ModelError(
            f'The tokenizer "{name_or_folder}" has no fast form (tokenizer.json). Choose one that has, or convert it.'
        )
    tokenizer = Tokenizer.from_str(backend.to_str())
    start = loaded.bos_token or loaded.cls_token
    end = loaded.eos_token or loaded.sep_token
    pad = loaded.pad_token
    names = {
        "pad_token": PAD if pad is None or pad in (start, end) else pad,
        "bos_token": start or START,
        "eos_token": END if end is None or end == start else end,  # a text's features are taken at its first end token
    }
    tokenizer.add_special_tokens([name for name in names.values() if tokenizer.token_to_id(name) is None])
    if loaded.unk_token is not None:
        names["unk_token"] = loaded.unk_token
    return tokenizer, names


def check_tokenizer_folder(kind: str) -> None:
    """A look at a tokenizer of the user's own before long work: for a value of tokenizer.kind that is a folder or the path of one.
    Raises ModelError; a name of Hugging Face is not asked for."""
    from tokenizers import Tokenizer

    folder = Path(kind).expanduser()
    if folder.is_dir():
        refuse_code_of_folder(folder)
        file = folder / "tokenizer.json"
        if not file.is_file():
            hugging_face_tokenizer(kind)
            return
        try:
            with panics_are_errors():
                Tokenizer.from_file(str(file))
        except Exception as error:  # the library raises nothing narrower
            raise ModelError(_no_such_tokenizer(kind, folder, error)) from error
    elif folder.exists() or kind.startswith(("/", "./", "../", "~")):
        raise ModelError(f"tokenizer.kind is {kind}, where no folder is. Give the folder of a tokenizer, bpe, or clip.")


def _no_such_tokenizer(name: str, folder: Path, error: Exception) -> str:
    reason = loading_reason(error).rstrip(".")
    if folder.is_dir():
        return f"transformers cannot read the tokenizer in {folder}: {reason}. Expected tokenizer.json and tokenizer_config.json."
    return (
        f'tokenizer.kind is "{name}". That is neither bpe nor clip nor a folder here, and Hugging Face\'s tokenizer of that '
        f"name cannot be had: {reason}. Check the name; without a network, save it where there is one "
        f"(AutoTokenizer.from_pretrained(NAME).save_pretrained(FOLDER)) and set tokenizer.kind to the folder."
    )
