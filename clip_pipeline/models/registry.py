"""Model configurations in open_clip's own format, and models built from them by open_clip's own code."""

from __future__ import annotations

import copy
import difflib
import importlib.util
import re
from pathlib import Path
from typing import Any, TypeAlias

from clip_pipeline.errors import ModelError, nearest_name
from clip_pipeline.machine.foreign_code import (
    loading_reason,
    read_settings_file,
    refuse_code,
    refuse_code_of_folder,
    without_foreign_code,
)
from clip_pipeline.models.pooled_text_encoder import token_pooling_understood
from clip_pipeline.models.text_pooling import check_text_pooling
from clip_pipeline.models.token_pooling import token_pooling_of
from clip_pipeline.models.torchvision_operators import load_open_clip
from clip_pipeline.text.byte_tokenizer import END_ID, PAD_ID, VOCABULARY

ClipModel: TypeAlias = Any
"""open_clip's CLIP. torch gives the attributes of a module no types of their own, so checkers know nothing of it."""

CONFIG_FOLDER = Path(__file__).parent / "configs"
NEEDED_KEYS = ("embed_dim", "vision_cfg", "text_cfg")
FOLDER_CONFIG_FILE = "open_clip_config.json"
LOCAL_DIR = "local-dir:"
TIMM_NAME = re.compile(r"[A-Za-z0-9_.+-]+")


OF_TOKENIZER = ("vocab_size", "pad_id", "eos_id", "pool_type", "hf_tokenizer_name")
"""What `with_tokenizer` writes into text_cfg."""


def list_models() -> list[str]:
    """Names of the configurations that come with the package."""
    return sorted(path.stem for path in CONFIG_FOLDER.glob("*.json"))


def load_config(name_or_path: str | Path) -> dict[str, Any]:
    """An open_clip model configuration: `embed_dim`, `vision_cfg`, `text_cfg`.

    name_or_path: a name of `list_models()`, an architecture of open_clip, a JSON file, or a model folder. Raises ModelError for
    an unknown name, a file that is no JSON, or one that lacks a part.
    """
    name = str(name_or_path).removeprefix(LOCAL_DIR)
    path = CONFIG_FOLDER / f"{name}.json"
    if not path.is_file():
        path = Path(name).expanduser()
        if path.is_dir():
            path /= FOLDER_CONFIG_FILE
        if path.suffix != ".json":
            path = _open_clip_config(name)
    if not path.exists():
        raise ModelError(
            f"The model configuration {path} does not exist. Give a .json file of open_clip's form, a model folder, or a name of "
            "`clip-pipeline models`."
        )
    config = read_settings_file(path)
    if isinstance(config, dict):
        config = config.get("model_cfg", config)  # of a model folder, beside its preprocessing
    check_config(config, f"The model configuration {path}")
    return config


def is_architecture(name: str) -> bool:
    """Whether it is a configuration of the package or of open_clip, by its plain name."""
    return (CONFIG_FOLDER / f"{name}.json").is_file() or name in open_clip_architectures()


def open_clip_architectures() -> dict[str, Path]:
    """The files of open_clip's own configurations by their names; open_clip, and torch with it, is not imported for it."""
    spec = importlib.util.find_spec("open_clip")
    if spec is None or spec.origin is None:
        return {}
    return {path.stem: path for path in sorted((Path(spec.origin).parent / "model_configs").glob("*.json"))}


def _open_clip_config(name: str) -> Path:
    known = open_clip_architectures()
    if name not in known:
        close = difflib.get_close_matches(name, [*list_models(), *known], n=1, cutoff=0.5)
        near = nearest_name(name, close or list_models())
        raise ModelError(f'There is no model "{name}". {near} The names of open_clip are known too.')
    return known[name]


def check_config(config: Any, where: str) -> None:
    """Raises ModelError where it lacks a part, or names an encoder that could bring code along. where: what an error names."""
    missing = [key for key in NEEDED_KEYS if not isinstance(config, dict) or key not in config]
    if missing:
        raise ModelError(
            f"{where} lacks {', '.join(missing)}. Expected open_clip's format: embed_dim, vision_cfg, text_cfg."
        )
    wrong = [key for key in ("vision_cfg", "text_cfg") if not isinstance(config[key], dict)]
    if wrong:
        raise ModelError(f"{where}: {' and '.join(wrong)} is no table of settings. Expected open_clip's format.")
    if not isinstance(config["text_cfg"].get("tokenizer_kwargs") or {}, dict):
        raise ModelError(f"{where}: tokenizer_kwargs is no table of settings. Expected open_clip's format.")
    refuse_code(config, where)
    tokens_too = [key for key in ("vision_cfg", "text_cfg") if config[key].get("output_tokens")]
    if tokens_too and "multimodal_cfg" not in config:
        raise ModelError(
            f"{where}: output_tokens of {' and '.join(tokens_too)} asks for tokens beside the vectors, which nothing here takes but a CoCa's "
            "decoder. Set it to false: the weights stay as they are."
        )
    timm_name, text_name = config["vision_cfg"].get("timm_model_name"), config["text_cfg"].get("hf_model_name")
    if timm_name and not (isinstance(timm_name, str) and TIMM_NAME.fullmatch(timm_name)):
        raise ModelError(
            f"{where}: timm_model_name is {str(timm_name)[:80]!r}, expected a name of timm such as vit_base_patch16_224. Folders and "
            "repositories are not followed from there."
        )
    if text_name and not isinstance(text_name, str):
        raise ModelError(f"{where}: hf_model_name is no name. Expected one such as google-bert/bert-base-uncased.")
    if text_name and Path(text_name).expanduser().is_dir():
        refuse_code_of_folder(Path(text_name).expanduser())
    token_pooling_of(config["vision_cfg"], image_size_of(config), where)
    check_text_pooling(config, where)


def image_size_of(config: dict[str, Any]) -> tuple[int, int]:
    """(height, width) in pixels of the images that the model sees. Raises ModelError for a size that is none."""
    size = config["vision_cfg"].get("image_size", 224)
    sides = [size, size] if isinstance(size, int) else size
    if not (isinstance(sides, (list, tuple)) and len(sides) == 2 and all(isinstance(s, int) and s > 0 for s in sides)):
        raise ModelError(
            f"image_size of vision_cfg is {str(size)[:80]}, expected pixels of a side, or [height, width]. Correct the configuration."
        )
    return sides[0], sides[1]


def vocab_size_of(config: dict[str, Any]) -> int:
    """Rows of the token table of open_clip's own text encoder; that of transformers brings its own along."""
    return int(config["text_cfg"].get("vocab_size", 49_408))


def context_length_of(config: dict[str, Any]) -> int:
    """Tokens that the text encoder sees, the start and end tokens included."""
    return int(config["text_cfg"].get("context_length", 77))


def with_tokenizer(
    config: dict[str, Any], vocab_size: int, pad_id: int, eos_id: int, context_length: int | None = None
) -> dict[str, Any]:
    """The configuration fitted to a tokenizer, as it is published beside the weights.

    Where the end token has the highest id, as in our own tokenizers, open_clip's default pooling (argmax of the ids)
    finds it in every version. `hf_tokenizer_name` makes open_clip read the tokenizer files of the model's own folder; how
    another tokenizer wanted its texts cleaned goes.
    context_length: tokens that the tokenizer was made for, where it says so. Raises ModelError when the model sees fewer.
    """
    positions = context_length_of(config)
    if context_length is not None and context_length > positions:
        raise ModelError(
            f"The tokenizer was made for texts of {context_length:,} tokens, the model sees {positions:,}. Make the tokenizer "
            f"again with a context length of {positions:,}, or set training.context_length to {context_length:,}."
        )
    fitted = copy.deepcopy(config)
    for of_another in ("tokenizer_kwargs", "tokenizer_mode"):
        fitted["text_cfg"].pop(of_another, None)
    pooling = "argmax" if eos_id == vocab_size - 1 else "eos"
    fitted["text_cfg"].update(
        vocab_size=vocab_size, pad_id=pad_id, eos_id=eos_id, pool_type=pooling, hf_tokenizer_name="."
    )
    return fitted


def without_tokenizer(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a model that reads bytes (`reads_bytes`), as it is published beside the weights."""
    fitted = copy.deepcopy(config)
    for of_another in ("tokenizer_kwargs", "tokenizer_mode", "hf_tokenizer_name"):
        fitted["text_cfg"].pop(of_another, None)
    fitted["text_cfg"].update(vocab_size=VOCABULARY, pad_id=PAD_ID, eos_id=END_ID, pool_type="argmax")
    return fitted


def build_model(config: dict[str, Any]) -> ClipModel:
    """A CLIP with random weights (drawn from torch's global generator), built by open_clip.

    Raises ModelError when open_clip, timm or transformers refuses the configuration, or has another token table than the
    tokenizer.
    """
    load_open_clip()
    from open_clip.model import CLIP, CustomTextCLIP

    if "multimodal_cfg" in config:
        raise ModelError(
            "The model is a CoCa, which has a decoder of texts beside CLIP's two encoders. It can embed, evaluate, probe and classify; "
            "what is trained here is CLIP: choose another model."
        )
    check_config(config, "The model configuration")
    arguments = copy.deepcopy(config)
    from_transformers = bool(arguments["text_cfg"].get("hf_model_name"))
    kind = CustomTextCLIP if arguments.pop("custom_text", False) or from_transformers else CLIP
    # weights are trained here, never downloaded
    if arguments["vision_cfg"].get("timm_model_name"):
        arguments["vision_cfg"]["timm_model_pretrained"] = False
    if from_transformers:
        arguments["text_cfg"]["hf_model_pretrained"] = False
    try:
        with without_foreign_code(_encoders_of(arguments)), token_pooling_understood():
            model = kind(**arguments)
    except (TypeError, ValueError, RuntimeError, AssertionError, OSError, LookupError, AttributeError) as error:
        raise ModelError(f"open_clip cannot build this model configuration: {loading_reason(error)}") from error
    if from_transformers:
        _check_own_tokens(model, arguments["text_cfg"])
    return model


def _encoders_of(config: dict[str, Any]) -> str:
    return f"The text encoder {config['text_cfg'].get('hf_model_name') or 'of this model configuration'}"


def _check_own_tokens(model: ClipModel, text: dict[str, Any]) -> None:
    """A text encoder of transformers brings its token table and its padding along, whatever the tokenizer has."""
    rows, padding = model.text.transformer.get_input_embeddings().num_embeddings, model.text.config.pad_token_id
    wanted_rows, wanted_padding = text.get("vocab_size", rows), text.get("pad_id", padding)
    if wanted_rows > rows or wanted_padding != padding:
        name = text["hf_model_name"]
        raise ModelError(
            f"The text encoder {name} has {rows:,} tokens and pads with {padding}, the tokenizer has {wanted_rows:,} and pads "
            f"with {wanted_padding}. Set tokenizer.kind to {name}."
        )
