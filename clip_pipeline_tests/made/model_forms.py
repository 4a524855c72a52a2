"""Tiny models with random weights in the forms that others publish, made by open_clip's own classes; nothing of ours writes them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Config = dict[str, Any]
WORDS = [
    "a",
    "photo",
    "of",
    "red",
    "green",
    "blue",
    "yellow",
    "square",
    "paint",
    "number",
    "cup",
    "table",
    "the",
    "on",
    "an",
]

PLAIN: Config = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}
CLIPS = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}
SMALL_TEXT = {"vocab_size": 64}


def changed(text: Config | None = None, vision: Config | None = None, **others: Any) -> Config:
    """PLAIN, with other settings."""
    config = copy.deepcopy(PLAIN) | others
    config["text_cfg"] |= text or {}
    config["vision_cfg"] = vision if vision and "timm_model_name" in vision else config["vision_cfg"] | (vision or {})
    return config


def random_model(config: Config, seed: int = 0) -> Any:
    """open_clip's model of it; nothing in it is nought, so that every part matters."""
    from clip_pipeline.models.torchvision_operators import define_missing_operators

    define_missing_operators()
    import torch
    from open_clip.model import CLIP, CustomTextCLIP

    arguments = copy.deepcopy(config)
    custom = arguments.pop("custom_text", False) or "hf_model_name" in arguments["text_cfg"]
    if "hf_model_name" in arguments["text_cfg"]:
        arguments["text_cfg"]["hf_model_pretrained"] = False
    torch.manual_seed(seed)
    model = (CustomTextCLIP if custom else CLIP)(**arguments)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if not name.startswith("logit"):
                tensor.add_(torch.randn_like(tensor) * 0.05)
        for name, tensor in model.named_buffers():
            if name.endswith("running_mean"):
                tensor.normal_(0, 0.2)
            elif name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
    return model.eval()


def write_folder(
    folder: Path, config: Config, preprocess: Config | None, save: Callable[[Config, Path], None], **odd: Any
) -> Path:
    """open_clip_config.json and the weights. odd: values that parameters are filled with."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    model = random_model(config)
    with torch.no_grad():
        for name, value in odd.items():
            model.get_parameter(name).fill_(value)
    save({name: tensor.contiguous().clone() for name, tensor in model.state_dict().items()}, folder)
    described = {"model_cfg": config} | ({"preprocess_cfg": preprocess} if preprocess is not None else {})
    (folder / "open_clip_config.json").write_text(json.dumps(described))
    return folder


def safetensors(weights: Config, folder: Path, name: str = "open_clip_model.safetensors") -> None:
    from safetensors.torch import save_file

    save_file(weights, folder / name, metadata={"format": "pt"})


def halved(weights: Config, folder: Path) -> None:
    safetensors({name: tensor.half() for name, tensor in weights.items()}, folder)


def pickled(weights: Config, folder: Path, name: str = "open_clip_pytorch_model.bin") -> None:
    import torch

    torch.save(weights, folder / name)


def checkpoint(weights: Config, folder: Path, name: str = "open_clip_pytorch_model.bin") -> None:
    """As open_clip_train saves it, of several processes."""
    import torch

    state = {f"module.{key}": tensor for key, tensor in weights.items()}
    torch.save({"epoch": 3, "name": "run", "state_dict": state}, folder / name)


def old_text_names(weights: Config, folder: Path) -> None:
    """As before open_clip gave the text encoder a module of its own."""
    pickled({name.removeprefix("text."): tensor for name, tensor in weights.items()}, folder)


def added_token(content: str) -> Config:
    signs = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True}
    return {"content": content, "__type": "AddedToken"} | signs


def write_clip_tokenizer(folder: Path) -> None:
    """CLIP's own as OpenAI published it for transformers: AddedToken objects, texts filled up with the end token."""
    from tokenizers import processors

    from clip_pipeline.text.ready_tokenizers import clip_tokenizer

    tokenizer, _ = clip_tokenizer()
    text = tokenizer.to_str().replace("<start_of_text>", "<|startoftext|>").replace("<end_of_text>", "<|endoftext|>")
    tokenizer = type(tokenizer).from_str(text)
    start, end = ((name, tokenizer.token_to_id(name)) for name in ("<|startoftext|>", "<|endoftext|>"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start[0]} $A {end[0]}", special_tokens=[start, end]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"bos_token": added_token(start[0]), "eos_token": added_token(end[0]), "unk_token": added_token(end[0])}
    config = names | {"pad_token": end[0], "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 12}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def write_word_tokenizer(folder: Path, start: str = "[CLS]", end: str = "[SEP]", pad: str = "[PAD]") -> None:
    """A token a word, as BERT's has them; without a start where that is "", as T5's."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    special = [token for token in dict.fromkeys([pad, "[UNK]", start, end]) if token]
    vocabulary = {token: number for number, token in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(special)
    ends = [(token, vocabulary[token]) for token in (start, end) if token]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{start} $A {end}".strip(), special_tokens=ends)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"unk_token": "[UNK]", "pad_token": pad, "sep_token": end, "eos_token": end}
    config = names | ({"cls_token": start} if start else {}) | {"tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def _plain(folder: Path) -> str:
    return str(write_folder(folder, PLAIN, CLIPS, safetensors))


def _bin(folder: Path) -> str:
    return str(write_folder(folder, PLAIN, CLIPS, pickled))


def _bin_of_a_training(folder: Path) -> str:
    return str(write_folder(folder, PLAIN, CLIPS, checkpoint))


def _pth(folder: Path) -> str:
    return str(write_folder(folder, PLAIN, None, lambda weights, to: pickled(weights, to, "model.pth")))


def _half(folder: Path) -> str:
    return str(write_folder(folder, PLAIN, CLIPS, halved))


def _quick_gelu(folder: Path) -> str:
    return str(write_folder(folder, changed(quick_gelu=True), CLIPS, safetensors))


def _tokenizer_files_beside(folder: Path) -> str:
    """As laion publishes: the files of a tokenizer lie there, and the configuration does not ask for them."""
    write_folder(folder, PLAIN, CLIPS, safetensors)
    write_clip_tokenizer(folder)
    return str(folder)


def _added_tokens(folder: Path) -> str:
    write_folder(folder, changed({"hf_tokenizer_name": "openai/clip-vit-base-patch32"}), CLIPS, safetensors)
    write_clip_tokenizer(folder)
    return str(folder)


def _pooled_at_eos(folder: Path) -> str:
    text = {"vocab_size": 64, "hf_tokenizer_name": ".", "pool_type": "eos", "eos_id": 3, "pad_id": 0}
    write_folder(folder, changed(text), CLIPS, safetensors)
    write_word_tokenizer(folder)
    return str(folder)


def _siglip(folder: Path) -> str:
    text = {
        **{"vocab_size": 64, "hf_tokenizer_name": "timm/some-siglip", "tokenizer_kwargs": {"clean": "canonicalize"}},
        **{"pool_type": "last", "no_causal_mask": True, "proj_bias": True, "norm_kwargs": {"eps": 1e-6}},
    }
    vision = {"image_size": 32, "timm_model_name": "test_vit3", "timm_pool": "map", "timm_proj": "linear"}
    config = changed(text, vision, custom_text=True, init_logit_bias=-10)
    del config["vision_cfg"]["image_size"]
    config["vision_cfg"]["image_size"] = 160
    half = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    write_folder(folder, config, half, safetensors, logit_scale=4.77, logit_bias=-12.9)
    write_word_tokenizer(folder, start="", end="</s>", pad="</s>")
    return str(folder)


def _custom_text_by_old_names(folder: Path) -> str:
    return str(write_folder(folder, changed(custom_text=True), CLIPS, old_text_names))


def _class_token_of_texts(folder: Path) -> str:
    config = changed({"embed_cls": True, "vocab_size": 64, "hf_tokenizer_name": "."}, custom_text=True)
    write_folder(folder, config, CLIPS, safetensors)
    write_word_tokenizer(folder)
    return str(folder)


def _last_of_a_plain_text_encoder(folder: Path) -> str:
    write_folder(folder, changed({"vocab_size": 64, "hf_tokenizer_name": ".", "pool_type": "last"}), CLIPS, safetensors)
    write_word_tokenizer(folder)
    return str(folder)


def _clips(folder: Path) -> str:
    """The class token stands behind the padding."""
    text = {"vocab_size": 64, "hf_tokenizer_name": ".", "tokenizer_mode": "clips", "pool_type": "last"}
    write_folder(folder, changed(text | {"no_causal_mask": True}, custom_text=True), CLIPS, safetensors)
    write_word_tokenizer(folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"bos_token": "a"}))
    return str(folder)


def _pooled_image_tokens(folder: Path) -> str:
    vision = {"pool_type": "avg", "no_ln_pre": True, "final_ln_after_pool": True, "ls_init_value": 0.5}
    return str(write_folder(folder, changed(vision=vision, nonscalar_logit_scale=True), CLIPS, safetensors))


def _resnet(folder: Path) -> str:
    vision = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None, "head_width": 64}
    config = changed()
    config["vision_cfg"] = vision
    return str(write_folder(folder, config, CLIPS, safetensors))


def _timm_resnet(folder: Path) -> str:
    vision = {"image_size": 32, "timm_model_name": "test_resnet", "timm_pool": "avg", "timm_proj": "mlp"}
    return str(write_folder(folder, changed(vision=vision, custom_text=True), CLIPS, safetensors))


def _wide(folder: Path) -> str:
    squashed = CLIPS | {"size": [24, 40], "interpolation": "bicubic", "resize_mode": "squash"}
    return str(write_folder(folder, changed(vision={"image_size": [24, 40]}), squashed, safetensors))


def _high_and_cropped(folder: Path) -> str:
    return str(write_folder(folder, changed(vision={"image_size": [40, 24]}), CLIPS, safetensors))


def _bilinear(folder: Path) -> str:
    filled = CLIPS | {"interpolation": "bilinear", "resize_mode": "longest", "fill_color": 90}
    return str(write_folder(folder, PLAIN, filled, safetensors))


def _cropped_bilinear(folder: Path) -> str:
    odd = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "interpolation": "bilinear", "resize_mode": "shortest"}
    return str(write_folder(folder, PLAIN, odd, safetensors))


def _loud(folder: Path) -> str:
    return str(write_folder(folder, PLAIN, CLIPS, safetensors, logit_scale=5.5))


def _bert(folder: Path) -> str:
    encoder = folder.parent / f"{folder.name}_bert"
    encoder.mkdir()
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    (encoder / "config.json").write_text(json.dumps({"model_type": "bert", "vocab_size": 64, **sizes}))
    text = {
        **{"context_length": 12, "hf_model_name": str(encoder), "hf_tokenizer_name": str(encoder)},
        **{"hf_proj_type": "mlp", "hf_pooler_type": "mean_pooler"},
    }
    config = changed()
    config["text_cfg"] = text
    write_folder(folder, config, CLIPS, safetensors)
    write_word_tokenizer(folder)
    return str(folder)


def _epoch_of_a_training(folder: Path) -> str:
    """open_clip_train's epoch_3.pt beside the name of an architecture that open_clip knows."""
    model = random_model(PLAIN)
    import open_clip

    folder.mkdir()
    (folder / "tiny-of-open-clip.json").write_text(json.dumps(PLAIN))
    open_clip.add_model_config(folder / "tiny-of-open-clip.json")
    checkpoint(model.state_dict(), folder, "epoch_3.pt")
    return f"tiny-of-open-clip/{folder / 'epoch_3.pt'}"


FORMS: dict[str, Callable[[Path], str]] = {
    "safetensors without a tokenizer": _plain,
    "a .bin": _bin,
    "a .bin of a training": _bin_of_a_training,
    "a .pth without preprocess_cfg": _pth,
    "half precision": _half,
    "QuickGELU": _quick_gelu,
    "tokenizer files that are not asked for": _tokenizer_files_beside,
    "a tokenizer of AddedToken": _added_tokens,
    "pooled at the end token": _pooled_at_eos,
    "SigLIP": _siglip,
    "a text encoder by its old names": _custom_text_by_old_names,
    "a class token of texts": _class_token_of_texts,
    "the last token of a plain encoder": _last_of_a_plain_text_encoder,
    "CLIPS": _clips,
    "pooled image tokens": _pooled_image_tokens,
    "CLIP's ResNet": _resnet,
    "a ResNet of timm": _timm_resnet,
    "wider than high": _wide,
    "higher than wide and cropped": _high_and_cropped,
    "bilinear and filled": _bilinear,
    "bilinear with other colours": _cropped_bilinear,
    "a logit scale above the cap": _loud,
    "a text encoder of transformers": _bert,
    "an epoch of open_clip_train": _epoch_of_a_training,
}
"""By what is special: writes the model into a folder and returns its name, as --model takes it."""
