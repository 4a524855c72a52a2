"""What is known of a model before its weights are read: its configuration, how it prepares images, which tokenizer it has.

The same names, and the same answers, as of `folder.open_model`: whatever can embed can be gone on from.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import ModelError
from clip_pipeline.machine.foreign_code import loading_reason, panics_are_errors, without_foreign_code
from clip_pipeline.models.folder import read_folder_config
from clip_pipeline.models.preprocessing import others_preprocess_config
from clip_pipeline.models.pretrained import HUB, named_config, open_clip_tokenizer
from clip_pipeline.models.registry import LOCAL_DIR, is_architecture, load_config
from clip_pipeline.models.torchvision_operators import load_open_clip
from clip_pipeline.sources.hub import without_waiting

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ModelForm:
    """name: what open_clip calls the model. config: of open_clip's form. preprocess: of images, see `others_preprocess_config`.
    folder: where its files are, None for a name."""

    name: str
    config: dict[str, Any]
    preprocess: dict[str, Any]
    folder: Path | None = None

    @property
    def brings_tokenizer(self) -> bool:
        """Whether its tokenizer is one of transformers; else it is open_clip's own of CLIP, which has no files."""
        return bool(self.config["text_cfg"].get("hf_tokenizer_name"))

    def open_tokenizer(self, files: Path | None = None) -> Callable[..., torch.Tensor]:
        """open_clip's tokenizer of the model: texts -> (N, L) ids. files: a folder with its files, where they are not the model's own.
        Raises ModelError."""
        load_open_clip()
        try:
            offline = without_waiting() if self.folder is None and files is None else nullcontext()
            with offline, without_foreign_code(self.name), panics_are_errors():
                return open_clip_tokenizer(self.name, self.config, files)
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(f"The tokenizer of {self.name} cannot be read: {loading_reason(error)}") from error


def form_of(name: str | Path) -> ModelForm:
    """The form of a model, by any name that `open_model` takes. Raises ModelError for a name that means nothing, for an incomplete
    folder, and for one that asks for code."""
    name = str(name).removeprefix(LOCAL_DIR)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return ModelForm(*named_config(name))
    said = read_folder_config(folder)
    prepared = others_preprocess_config(said["model_cfg"], said.get("preprocess_cfg"))
    return ModelForm(f"{LOCAL_DIR}{folder}", said["model_cfg"], prepared, folder)


def any_config(name: str | Path) -> dict[str, Any]:
    """The configuration of a model by any name: an architecture, a file or a folder, as of `load_config`, or one with weights."""
    return form_of(name).config if names_weights(name) else load_config(name)


def names_weights(name: str | Path) -> bool:
    """Whether it is a name with weights: ARCHITECTURE/TAG, ARCHITECTURE/FILE or of the hub; not a folder, not a configuration."""
    text = str(name)
    if Path(text).expanduser().exists():
        return False
    return text.startswith(HUB) or ("/" in text and is_architecture(text.partition("/")[0]))
