"""A trained language model as a folder: its form and its weights.

language_model.json     the form, and the checksum of the weights
model.safetensors       the weights; the same training gives the same bytes
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import ModelError, SettingsError
from clip_pipeline.language.model import ModelForm, build_model
from clip_pipeline.machine.bounded import parse_json, read_bytes
from clip_pipeline.models.loaded_weights import check_finite
from clip_pipeline.models.weights_file import check_weights_file, misfit_reason

if TYPE_CHECKING:
    import torch

CONFIG_FILE, WEIGHTS_FILE = "language_model.json", "model.safetensors"
MAX_CONFIG_BYTES = 100_000


def save_language_model(model: torch.nn.Module, form: ModelForm, folder: Path) -> None:
    """Writes the two files."""
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    weights = save({name: tensor.detach().cpu().contiguous() for name, tensor in sorted(model.state_dict().items())})
    (folder / WEIGHTS_FILE).write_bytes(weights)
    described = {"form": dataclasses.asdict(form), "sha256": hashlib.sha256(weights).hexdigest()}
    (folder / CONFIG_FILE).write_text(json.dumps(described, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load_language_model(folder: Path, kind: str = "") -> tuple[torch.nn.Module, ModelForm]:
    """The model, at evaluation, and its form. kind: which it must be, where that is not empty.

    Raises ModelError where the folder holds no such model, one of another kind, or weights that are not those it was written with.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    form, digest = _read_form(folder)
    if kind and form.kind != kind:
        raise ModelError(
            f"{folder} holds a language model with {form.kind} pooling, and one with {kind} pooling was expected. Choose another folder, or train one."
        )
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise ModelError(f"{folder} has no {WEIGHTS_FILE}. Copy the whole folder, or train the model again.")
    check_weights_file(path)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise ModelError(
            f"{path} is not the file that {CONFIG_FILE} was written with: its checksum does not match. Copy the whole folder."
        )
    model = build_model(form)
    try:
        model.load_state_dict(load(content))
    except (RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"The weights in {path} are not those of the form in {CONFIG_FILE}: {misfit_reason(error, WEIGHTS_FILE) or error}."
        ) from error
    check_finite(model, str(path))
    return model.eval(), form


def _read_form(folder: Path) -> tuple[ModelForm, str]:
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise ModelError(f"{folder} is no language model: it has no {CONFIG_FILE}.")
    try:
        described: Any = parse_json(read_bytes(path, ModelError, MAX_CONFIG_BYTES))
        fields = dict(described["form"])
        form = ModelForm(**fields | {"layers": tuple(fields["layers"])})
        digest = str(described["sha256"])
    except (ValueError, TypeError, KeyError, SettingsError) as error:
        raise ModelError(f"{path} does not describe a language model of this version ({str(error)[:200]}).") from error
    return form, digest
