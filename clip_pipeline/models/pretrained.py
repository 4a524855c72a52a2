"""Models by name: a pretrained tag of open_clip, one of the Hugging Face hub, or an architecture with a checkpoint file.

    ViT-B-32/laion2b_s34b_b79k     an architecture of open_clip and one of its tags
    ViT-B-32/runs/epoch_10.pt      an architecture, of open_clip or of models/configs/, and a file of weights
    hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K

Downloads are open_clip's own and go to its cache. Without network what is in the cache is used, and for the rest a
sentence says what to do, at once (`sources/hub.py`).
"""

from __future__ import annotations

import difflib
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import ModelError
from clip_pipeline.machine.foreign_code import (
    is_refused_pickle,
    loading_reason,
    panics_are_errors,
    without_foreign_code,
)
from clip_pipeline.machine.progress import waiting
from clip_pipeline.models.loaded_weights import checked_model, resizing_said
from clip_pipeline.models.pooled_text_encoder import token_pooling_understood
from clip_pipeline.models.preprocessing import others_preprocess_config, preprocess_config
from clip_pipeline.models.registry import (
    CONFIG_FOLDER,
    ClipModel,
    check_config,
    context_length_of,
    is_architecture,
    list_models,
    load_config,
    open_clip_architectures,
)
from clip_pipeline.models.text_pooling import reads_bytes
from clip_pipeline.models.torchvision_operators import load_open_clip
from clip_pipeline.models.weights_file import check_weights_file, misfit_reason
from clip_pipeline.sources.hub import hub_address, without_waiting
from clip_pipeline.sources.web.reachable import is_reachable
from clip_pipeline.text.byte_tokenizer import ByteTokenizer

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

HUB = "hf-hub:"
NAMES_SHOWN = 8
PREPARED = ("mean", "std", "interpolation", "resize_mode")

Loaded = tuple["ClipModel", Callable[[Any], "torch.Tensor"], Callable[..., "torch.Tensor"]]


def load_named_model(name: str, device: str) -> Loaded:
    """(model, preprocess, tokenizer) for one of the names above, as open_clip makes them.

    Raises ModelError for a name that means nothing (with those nearest to it), for weights that are not here and cannot be
    downloaded, and for a file of weights that does not fit.
    """
    load_open_clip()

    with waiting(f"Loading the model {name}"):
        if name.startswith(HUB):
            with without_waiting():
                return _load_downloaded(name, None, device, name.removeprefix(HUB))
        architecture, weights, tagged = _parts(name)
        if tagged is not None:
            _warn_of_other_activation(architecture, weights, tagged)
            with without_waiting():
                return _load_downloaded(architecture, weights, device, tagged.get("hf_hub", "").strip("/"))
        return _load_file(architecture, Path(weights).expanduser(), device)


def named_config(name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """(open_clip's name of it, the configuration, how images are prepared) of one of the names above; no weights are read.

    Raises ModelError for a name that means nothing, and for a configuration that is not here and cannot be downloaded.
    """
    open_clip = load_open_clip()

    if name.startswith(HUB):
        with without_waiting():
            said = _hub_config(name)
        return name, said["model_cfg"], others_preprocess_config(said["model_cfg"], said.get("preprocess_cfg"))
    architecture, _, tagged = _parts(name)
    config = open_clip.get_model_config(architecture)
    check_config(config, f"The configuration of {name}")
    own = _own_preprocess(architecture) if tagged is None else {}
    return architecture, config, own or others_preprocess_config(config, tagged)


def _hub_config(name: str) -> dict[str, Any]:
    from open_clip.factory import _get_hf_config

    repository = name.removeprefix(HUB)
    try:
        said = _get_hf_config(repository)
    except Exception as error:
        raise ModelError(_not_here(name, repository, "", error)) from error
    if not isinstance(said, dict) or "model_cfg" not in said:
        raise ModelError(f"open_clip_config.json of {name} has no model_cfg. Expected open_clip's format.")
    check_config(said["model_cfg"], f"The configuration of {name}")
    return said


def _parts(name: str) -> tuple[str, str, dict[str, Any] | None]:
    """(architecture, tag or file, what open_clip knows of the tag, None for a file). Raises ModelError for what is neither."""
    import open_clip

    architecture, _, weights = name.partition("/")
    own = CONFIG_FOLDER / f"{architecture}.json"
    if own.is_file():
        open_clip.add_model_config(own)
    elif architecture not in open_clip.list_models():
        raise ModelError(_unknown_architecture(name, architecture))
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if weights in tags:
        return architecture, weights, open_clip.get_pretrained_cfg(architecture, weights)
    if not weights or not Path(weights).expanduser().is_file():
        raise ModelError(_unknown_weights(architecture, weights, tags))
    return architecture, weights, None


def _own_preprocess(architecture: str) -> dict[str, Any]:
    """How a training here prepares images for an architecture of the package; empty for open_clip's, which prepares as CLIP does."""
    own = (CONFIG_FOLDER / f"{architecture}.json").is_file()
    return preprocess_config(load_config(architecture)) if own else {}


def _warn_of_other_activation(architecture: str, tag: str, known: dict[str, Any]) -> None:
    """open_clip builds what the architecture says, and warns where only a developer sees it."""
    import open_clip

    wanted, has = (
        bool(known.get("quick_gelu")),
        bool((open_clip.get_model_config(architecture) or {}).get("quick_gelu")),
    )
    if wanted == has:
        return
    other = f"{architecture}-quickgelu" if wanted else architecture.removesuffix("-quickgelu")
    instead = f" Give {other}/{tag}." if tag in open_clip.list_pretrained_tags_by_model(other) else ""
    logger.warning(
        "The weights %s were trained with %s, the architecture %s computes %s: as open_clip does, it gives other vectors than they "
        "were made for.%s",
        tag,
        "QuickGELU" if wanted else "GELU",
        architecture,
        "GELU" if wanted else "QuickGELU",
        instead,
    )


def _load_downloaded(name: str, tag: str | None, device: str, repository: str) -> Loaded:
    """repository: of the hub, where the same model is a folder of open_clip's form; empty for none."""
    import open_clip

    whole = f"{name}/{tag}" if tag else name
    try:
        with (
            without_foreign_code(whole),
            panics_are_errors(),
            token_pooling_understood(),
            resizing_said(whole) as resized,
        ):
            config = open_clip.get_model_config(name)
            check_config(config, f"The configuration of {whole}")
            model, _, preprocess = open_clip.create_model_and_transforms(
                name, pretrained=tag, device=device, require_pretrained=True
            )
            tokenizer = open_clip_tokenizer(name, config)
    except ModelError:
        raise
    except Exception as error:
        if is_refused_pickle(error):
            raise ModelError(f"The weights of {whole} are not read: {loading_reason(error)}") from error
        url = open_clip.get_pretrained_cfg(name, tag or "").get("url", "")
        raise ModelError(_not_here(whole, repository, url, error)) from error
    return checked_model(model, config, whole, whole, resized), preprocess, tokenizer


def _not_here(whole: str, repository: str, url: str, error: Exception) -> str:
    """Why a model of the network could not be had, and what to do."""
    advice = (
        f"run `hf download {repository} --local-dir FOLDER`, copy FOLDER here and give it as the model"
        if repository
        else f"download {url}, copy it here and give {whole.partition('/')[0]}/FILE as the model"
    )
    if is_reachable(hub_address()):
        return f"{whole} could not be downloaded: {loading_reason(error)} Or {advice}."
    return (
        f"The weights of {whole} are not on this machine, and {hub_address()} cannot be reached. Where there is network, "
        f"{advice}. A model trained here works too: give its folder."
    )


def _load_file(architecture: str, file: Path, device: str) -> Loaded:
    import open_clip

    prepared = _own_preprocess(architecture)
    options: dict[str, Any] = {f"image_{key}": prepared[key] for key in PREPARED if key in prepared}
    config = open_clip.get_model_config(architecture)
    check_weights_file(file)
    whole = f"{architecture}/{file}"
    try:
        with (
            without_foreign_code(str(file)),
            panics_are_errors(),
            token_pooling_understood(),
            resizing_said(whole) as resized,
        ):
            model, _, preprocess = open_clip.create_model_and_transforms(
                architecture, pretrained=str(file), device=device, require_pretrained=True, **options
            )
            tokenizer = open_clip_tokenizer(architecture, config)
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"The weights in {file} do not load into {architecture}: {misfit_reason(error, file.name) or loading_reason(error)} Give the "
            "architecture that they were trained with, and a whole file."
        ) from error
    return checked_model(model, config, whole, str(file), resized), preprocess, tokenizer


def open_clip_tokenizer(name: str, config: dict[str, Any], files: Path | None = None) -> Callable[..., torch.Tensor]:
    """open_clip's tokenizer of a model, which runs no code of the model's, or the bytes' own. config: the model's. files: a folder of a tokenizer of
    transformers that is to be read instead of the model's, in the model's way.

    To be called in `without_foreign_code`: open_clip hands the model's own `tokenizer_kwargs` on to transformers.
    """
    import open_clip

    from_transformers = bool(config["text_cfg"].get("hf_tokenizer_name"))  # the others know no such argument
    if reads_bytes(config):
        return ByteTokenizer(context_length_of(config))
    if files is not None:
        tokenizer = _tokenizer_of_files(config, files)
    else:
        tokenizer = open_clip.get_tokenizer(name, **({"trust_remote_code": False} if from_transformers else {}))
    tokenizer(["a photo", ""])  # one whose files contradict each other fails now, where its name is known
    return tokenizer


def _tokenizer_of_files(config: dict[str, Any], files: Path) -> Callable[..., torch.Tensor]:
    from open_clip.tokenizer import HFTokenizer

    text = config["text_cfg"]
    return HFTokenizer(
        str(files),
        context_length=context_length_of(config),
        tokenizer_mode=text.get("tokenizer_mode"),
        trust_remote_code=False,
        **(text.get("tokenizer_kwargs") or {}),
    )


def check_name(name: str) -> None:
    """A look at one of the names above without loading open_clip, which takes seconds. Raises ModelError for one that is neither of the hub
    nor begins with an architecture."""
    architecture = name.partition("/")[0]
    if not name.startswith(HUB) and not is_architecture(architecture) and architecture not in _added_architectures():
        raise ModelError(_unknown_architecture(name, architecture))


def _added_architectures() -> list[str]:
    """Those that a program has told open_clip of; none where it is not loaded."""
    return sys.modules["open_clip"].list_models() if "open_clip" in sys.modules else []


def _unknown_architecture(name: str, architecture: str) -> str:
    known = [*list_models(), *open_clip_architectures()]
    near = difflib.get_close_matches(architecture, known, n=3, cutoff=0.6)
    hint = f"Names near to it: {', '.join(near)}. " if near else ""
    return (
        f"{name} is no folder, and no model of open_clip. {hint}Expected a model folder, such as `clip-pipeline train` "
        "writes, an architecture with a tag (ViT-B-32/laion2b_s34b_b79k) or a file of weights (ViT-B-32/epoch_10.pt), or "
        "hf-hub:OWNER/NAME."
    )


def _unknown_weights(architecture: str, weights: str, tags: list[str]) -> str:
    if not tags:
        what = f'there is no file "{weights}"' if weights else "it has no pretrained weights"
        return f"{architecture} is an architecture, and {what}. Give {architecture}/FILE with a checkpoint, or a model folder."
    near = difflib.get_close_matches(weights, tags, n=3, cutoff=0.4) if weights else []
    found = f'"{weights}" is neither a file nor a tag of {architecture}' if weights else f"{architecture} needs weights"
    which = f"Near to it: {', '.join(near)}. " if near else ""
    some = ", ".join(tags[:NAMES_SHOWN])
    more = f" and {len(tags) - NAMES_SHOWN} more" if len(tags) > NAMES_SHOWN else ""
    return (
        f"{found}. {which}Its tags: {some}{more}. Write {architecture}/TAG, or {architecture}/FILE with a checkpoint."
    )
