"""Models by name: a pretrained tag of open_clip, one of the Hugging Face hub, or an architecture with a checkpoint file.

    ViT-B-32/laion2b_s34b_b79k     an architecture of open_clip and one of its tags
    ViT-B-32/runs/epoch_10.pt      an architecture, of open_clip or of models/configs/, and a file of weights
    hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K

Downloads are open_clip's own and go to its cache. Without network what is in the cache is used, and for the rest a
sentence says what to do, at once: left alone, the retries took 47 seconds (2026-11-21).
"""

from __future__ import annotations

import contextlib
import difflib
import logging
from collections.abc import Callable, Iterator
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
from clip_pipeline.models.registry import CONFIG_FOLDER, ClipModel, check_config, list_models, load_config
from clip_pipeline.models.torchvision_operators import define_missing_operators
from clip_pipeline.sources.web.reachable import is_reachable

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

HUB = "hf-hub:"
NAMES_SHOWN = 8
PREPARED = ("mean", "std", "interpolation", "resize_mode")

Loaded = tuple["ClipModel", Callable[[Any], "torch.Tensor"], Callable[..., "torch.Tensor"]]


def load_named_model(name: str, device: str, preprocess_of: Callable[[dict[str, Any]], dict[str, Any]]) -> Loaded:
    """(model, preprocess, tokenizer) for one of the names above, as open_clip makes them.

    preprocess_of: how images are prepared for a configuration of ours, in open_clip's words (`folder.preprocess_config`).
    Raises ModelError for a name that means nothing (with those nearest to it), for weights that are not here and cannot be
    downloaded, and for a file of weights that does not fit.
    """
    define_missing_operators()
    with waiting("Loading open_clip"):
        import open_clip

    with waiting(f"Loading the model {name}"):
        return _load_named(open_clip, name, device, preprocess_of)


def _load_named(
    open_clip: Any, name: str, device: str, preprocess_of: Callable[[dict[str, Any]], dict[str, Any]]
) -> Loaded:
    if name.startswith(HUB):
        with _without_waiting():
            return _load_downloaded(name, None, device, name.removeprefix(HUB))
    architecture, _, weights = name.partition("/")
    own = CONFIG_FOLDER / f"{architecture}.json"
    if own.is_file():
        open_clip.add_model_config(own)
    elif architecture not in open_clip.list_models():
        raise ModelError(_unknown_architecture(name, architecture))
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if weights in tags:
        repository = open_clip.get_pretrained_cfg(architecture, weights).get("hf_hub", "").strip("/")
        with _without_waiting():
            return _load_downloaded(architecture, weights, device, repository)
    file = Path(weights).expanduser()
    if not weights or not file.is_file():
        raise ModelError(_unknown_weights(architecture, weights, tags))
    prepared = preprocess_of(load_config(architecture)) if own.is_file() else {}
    return _load_file(architecture, file, device, prepared)


def _load_downloaded(name: str, tag: str | None, device: str, repository: str) -> Loaded:
    """repository: of the hub, where the same model is a folder of open_clip's form; empty for none."""
    import open_clip

    whole = f"{name}/{tag}" if tag else name
    try:
        with without_foreign_code(whole), panics_are_errors():
            config = open_clip.get_model_config(name)
            check_config(config, f"The configuration of {whole}")
            model, _, preprocess = open_clip.create_model_and_transforms(
                name, pretrained=tag, device=device, require_pretrained=True
            )
            tokenizer = open_clip_tokenizer(name, config)
    except ModelError:
        raise
    except Exception as error:
        reason = loading_reason(error)
        if is_refused_pickle(error):
            raise ModelError(f"The weights of {whole} are not read: {reason}") from error
        source = repository or open_clip.get_pretrained_cfg(name, tag or "").get("url", "")
        advice = (
            f"run `hf download {source} --local-dir FOLDER`, copy FOLDER here and give it as the model"
            if repository
            else f"download {source}, copy it here and give {name}/FILE as the model"
        )
        if is_reachable(_hub_address()):
            raise ModelError(f"{whole} could not be downloaded: {reason} Or {advice}.") from error
        raise ModelError(
            f"The weights of {whole} are not on this machine, and {_hub_address()} cannot be reached. Where there is network, "
            f"{advice}. A model trained here works too: give its folder."
        ) from error
    return model.eval(), preprocess, tokenizer


def _load_file(architecture: str, file: Path, device: str, prepared: dict[str, Any]) -> Loaded:
    """prepared: of images, where it is not as CLIP's."""
    import open_clip

    options: dict[str, Any] = {f"image_{key}": prepared[key] for key in PREPARED if key in prepared}
    try:
        with without_foreign_code(str(file)), panics_are_errors():
            model, _, preprocess = open_clip.create_model_and_transforms(
                architecture, pretrained=str(file), device=device, require_pretrained=True, **options
            )
            tokenizer = open_clip_tokenizer(architecture, open_clip.get_model_config(architecture))
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"The weights in {file} do not load into {architecture}: {loading_reason(error)} Give the architecture that they were "
            "trained with, and a whole file."
        ) from error
    return model.eval(), preprocess, tokenizer


def open_clip_tokenizer(name: str, config: dict[str, Any]) -> Callable[..., torch.Tensor]:
    """open_clip's tokenizer of a model, which runs no code of the model's. config: the model's.

    To be called in `without_foreign_code`: open_clip hands the model's own `tokenizer_kwargs` on to transformers.
    """
    import open_clip

    from_transformers = bool(config["text_cfg"].get("hf_tokenizer_name"))  # the others know no such argument
    tokenizer = open_clip.get_tokenizer(name, **({"trust_remote_code": False} if from_transformers else {}))
    tokenizer(["a photo", ""])  # one whose files contradict each other fails now, where its name is known
    return tokenizer


def _unknown_architecture(name: str, architecture: str) -> str:
    import open_clip

    known = [*list_models(), *open_clip.list_models()]
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


def _hub_address() -> str:
    from huggingface_hub import constants

    return constants.ENDPOINT


@contextlib.contextmanager
def _without_waiting() -> Iterator[None]:
    """Where the hub cannot be reached, its client looks into its cache and nowhere else."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not is_reachable(constants.ENDPOINT)
    if constants.HF_HUB_OFFLINE:
        logger.info("%s cannot be reached: only what is on this machine is used", constants.ENDPOINT)
    errors = logging.getLogger().level  # open_clip tells the root logger what our sentence says better
    logging.getLogger().setLevel(logging.CRITICAL if constants.HF_HUB_OFFLINE else errors)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
        logging.getLogger().setLevel(errors)
