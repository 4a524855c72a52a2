"""A model folder with random weights, built in a second, for tests that need some CLIP and not a good one."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

CAPTIONS = ["a red cup on a table", "a blue ball in the grass", "two green boxes", "a photo of a red ball"]


def build_tiny_model(folder: Path, seed: int = 0, vision: dict[str, Any] | None = None) -> Path:
    """Writes the model folder `folder`/model and returns it; 16-pixel images, 32 dimensions. vision: what is to be otherwise in vision_cfg."""
    import torch

    from clip_pipeline.models.folder import save_model_folder
    from clip_pipeline.models.preprocessing import preprocess_config
    from clip_pipeline.models.registry import build_model, load_config, with_tokenizer
    from clip_pipeline.settings import TokenizerSettings
    from clip_pipeline.text.tokenizer import load_tokenizer
    from clip_pipeline_tests.made.tokenizers import train_tokenizer

    corpus = folder / "captions.txt"
    corpus.write_text("\n".join(CAPTIONS) + "\n")
    config = load_config("tiny_test")
    config["vision_cfg"] |= vision or {}
    train_tokenizer(
        corpus, TokenizerSettings(vocab_size=300), config["text_cfg"]["context_length"], folder / "tokenizer"
    )
    tokenizer = load_tokenizer(folder / "tokenizer")
    config = with_tokenizer(config, tokenizer.vocab_size, tokenizer.pad_id, tokenizer.end_id)
    torch.manual_seed(seed)
    save_model_folder(build_model(config), config, preprocess_config(config), folder / "tokenizer", folder / "model")
    return folder / "model"


def write_tiny_resnet(path: Path) -> Path:
    """The configuration of a CLIP with batch norms: a ResNet that trains twenty times faster than the smallest of the registry."""
    vision = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8}
    text = {"context_length": 12, "vocab_size": 300, "width": 32, "heads": 2, "layers": 1}
    path.write_text(json.dumps({"embed_dim": 32, "vision_cfg": vision, "text_cfg": text}))
    return path


def jpeg(colour: tuple[int, int, int], size: tuple[int, int] = (20, 16), **options) -> bytes:
    """The bytes of a JPEG of one colour with a white corner, so that turning it shows."""
    from PIL import Image

    image = Image.new("RGB", size, colour)
    image.paste((255, 255, 255), (0, 0, size[0] // 2, size[1] // 2))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()
