"""Code that the files of a model or tokenizer bring along or ask for: never run, and refused with a sentence.

A folder of the Hugging Face hub may name Python files of its own (`auto_map`), which transformers runs where it is allowed to
(`trust_remote_code`), or asks at the terminal whether it may; it may name a kernel, which is compiled code of a repository. A pickle may call any
function. What is read of a model is its weights,
its JSON and its tokenizer.json; its classes are those of the installed open_clip, timm and transformers.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clip_pipeline.errors import ModelError
from clip_pipeline.machine.bounded import parse_json

ASKS_FOR_CODE = {"trustremotecode", "automap", "coderevision", "custompipelines", "usekernels", "kernelconfig"}
"""Keys of transformers, without case and signs."""

ATTENTION = {"attnimplementation", "attnimplementationinternal", "expertsimplementation"}
PLAIN_NAME = re.compile(r"[A-Za-z0-9_|]*")
"""Of an attention that comes with transformers; one with a slash is a repository of compiled code."""

READ_BY_TRANSFORMERS = ("config.json", "tokenizer_config.json", "special_tokens_map.json", "processor_config.json")
"""Settings beside a tokenizer or text encoder; what else is JSON there holds tokens, whose names mean nothing."""

MAX_SETTINGS_BYTES = 16 * 1024 * 1024
"""Of a configuration: those that people publish have up to 50 kB, those of transformers with all special tokens 2 MB."""

PICKLE_GLOBAL = re.compile(r"GLOBAL ([A-Za-z_][\w.]*)")
"""What torch's unpickler says it was asked for."""

MAX_REASON_LETTERS = 300

_loading = threading.RLock()


def read_settings_file(path: Path) -> Any:
    """The JSON of a model's or tokenizer's settings. Raises ModelError for a file that is none, is too large, or asks for code."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_SETTINGS_BYTES + 1)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
    if len(raw) > MAX_SETTINGS_BYTES:
        raise ModelError(f"{path} is larger than {MAX_SETTINGS_BYTES // 1024**2} MB, expected a few lines of settings.")
    try:
        content = parse_json(raw, MAX_SETTINGS_BYTES)
    except ValueError as error:
        what = f"{error.msg}, line {error.lineno}" if isinstance(error, json.JSONDecodeError) else _reason(error)
        raise ModelError(f"{path} cannot be read as JSON: {what}. Copy the whole folder again.") from error
    refuse_code(content, str(path))
    return content


def _reason(error: ValueError) -> str:
    return "it is not UTF-8" if isinstance(error, UnicodeError) else str(error)


def refuse_code(content: Any, where: str) -> None:
    """Raises ModelError where a key at any depth asks for code, however it is written. where: the file, for the sentence."""
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            for key in value:
                if _bare(key) in ASKS_FOR_CODE or (_bare(key) in ATTENTION and not _all_plain(value[key])):
                    raise ModelError(
                        f"{where} asks for code of its own, with {str(key)[:40]}. Models are read as weights, JSON and tokenizer.json "
                        "here, and no code of theirs is run. Use a model without it; where this one needs none, remove the entry."
                    )
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def refuse_code_of_folder(folder: Path) -> None:
    """Raises ModelError where the settings of a tokenizer or text encoder in a folder ask for code, or are no JSON."""
    for name in READ_BY_TRANSFORMERS:
        if (folder / name).exists() and not isinstance(read_settings_file(folder / name), dict):
            raise ModelError(f"{folder / name} is no JSON object of settings. Copy the whole folder again.")


@contextlib.contextmanager
def without_foreign_code(what: str) -> Iterator[None]:
    """In it torch unpickles weights only, and transformers neither runs a model's Python nor asks at the terminal whether it may:
    wherever the wish comes from, a ModelError says so. what: the model or tokenizer that is being read, for the sentence.

    Loading takes turns in it: it changes transformers' own functions, and puts them back.
    """
    from transformers import dynamic_module_utils as modules
    from transformers.integrations import hub_kernels as kernels

    refused = []

    def refuse(*_: Any, **__: Any) -> None:
        refused.append(ModelError(_needs_code(what)))
        raise refused[-1]

    changes: list[tuple[Any, str, Any]] = [
        (modules, "get_class_in_module", refuse),
        (modules, "get_cached_module_file", refuse),
        (modules, "TIME_OUT_REMOTE_CODE", 0),
        (kernels, "get_kernel", refuse),
    ]
    variables = {"TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": None}
    with _loading:
        before = [(module, name, getattr(module, name)) for module, name, _ in changes]
        environment = {name: os.environ.get(name) for name in variables}
        try:
            _set(changes)
            _set_variables(variables)
            yield
        except Exception as error:
            asks = "trust_remote_code" in str(error) and not isinstance(error, ModelError)
            if refused or asks:  # transformers may have made another error of ours
                raise ModelError(_needs_code(what)) from error
            raise
        finally:
            _set(before)
            _set_variables(environment)


def is_refused_pickle(error: BaseException) -> bool:
    """Whether torch would not unpickle a file, for it asks for more than weights."""
    return "weights_only" in str(error) or "Weights only load failed" in str(error)


def loading_reason(error: BaseException) -> str:
    """Why a library could not read a file of others, in a line: of a pickle what it asked for, never the advice to trust it."""
    text = str(error)
    if is_refused_pickle(error):
        asked = PICKLE_GLOBAL.search(text)
        which = f" ({asked[1]})" if asked else ""
        return (
            f"it is a pickle that asks for more than weights{which}, and no code of a file is run. Save the weights as safetensors, or "
            "with torch.save(model.state_dict(), FILE)."
        )
    reason = " ".join(text.split()) or type(error).__name__
    return reason if len(reason) <= MAX_REASON_LETTERS else f"{reason[:MAX_REASON_LETTERS]} …"


@contextlib.contextmanager
def panics_are_errors() -> Iterator[None]:
    """A library written in Rust ends with an exception that is no `Exception` where a file breaks its own rules; in here it is a ValueError."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise ValueError(f"its contents contradict each other: {error}") from error


def _needs_code(what: str) -> str:
    return (
        f"{what} needs Python code that comes with it, which is not run here. Use a model or tokenizer whose classes are open_clip's, timm's "
        "or transformers' own; a tokenizer often has such a form (tokenizer.json)."
    )


def _bare(key: object) -> str:
    folded = unicodedata.normalize("NFKC", str(key)).casefold()
    return "".join(letter for letter in folded if letter.isalnum())


def _all_plain(value: Any) -> bool:
    """Whether all texts in it name something that is installed."""
    values = list(value.values()) if isinstance(value, dict) else [value]
    return all(one is None or (isinstance(one, str) and PLAIN_NAME.fullmatch(one)) for one in values)


def _set(values: list[tuple[Any, str, Any]]) -> None:
    for module, name, value in values:
        setattr(module, name, value)


def _set_variables(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
