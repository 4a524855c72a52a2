"""The table of the models, written by hand from their publications, and small copies of them with the same structure."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from clip_pipeline.models.registry import load_config


@dataclass(frozen=True)
class Encoder:
    """Layers, width, attention heads, width of the MLP; patch in pixels for an image encoder; tokens that are left after a quarter of the layers
    where it pools them, by an MLP of a quarter of its width."""

    layers: int
    width: int
    heads: int
    mlp: int
    patch: int = 0
    pooled: int = 0


@dataclass(frozen=True)
class PlainResNet:
    """timm's ResNet of one basic block a stage, its widths, after a stem of three convolutions of `stem` channels."""

    name: str
    stem: tuple[int, int, int]
    widths: tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """px of a side, image encoder (a tuple is the blocks and width of CLIP's ResNet), text encoder, tokens, embedding,
    parameters."""

    px: int
    image: Encoder | PlainResNet | tuple[tuple[int, ...], int]
    text: Encoder
    tokens: int
    vocabulary: int
    embedding: int
    parameters: int


TEXT_S, TEXT_B, TEXT_L = Encoder(8, 512, 8, 1024), Encoder(12, 512, 8, 2048), Encoder(12, 768, 12, 3072)
TEXT_CLIP = Encoder(12, 512, 8, 2048)
RESNET_10T = PlainResNet("resnet10t", (24, 32, 64), (64, 128, 256, 512))

TABLE = {
    # WKIT-24M's models; their L text encoder has 12 heads, which divide 768 and not its 512
    "vit_b_32_224": Row(224, Encoder(12, 768, 12, 4096, 32), TEXT_B, 32, 20_000, 512, 155_084_033),
    "vit_b_16_112": Row(112, Encoder(12, 768, 12, 3072, 16), TEXT_B, 32, 20_000, 512, 134_427_905),
    "vit_s_16_112": Row(112, Encoder(8, 512, 8, 2048, 16), TEXT_S, 32, 20_000, 512, 53_244_417),
    "vit_s_8_112": Row(112, Encoder(8, 512, 8, 2048, 8), TEXT_S, 32, 20_000, 512, 53_024_769),
    "pooled_s_8_112": Row(112, Encoder(8, 512, 8, 2048, 8, 49), TEXT_S, 32, 20_000, 512, 53_091_586),
    "vit_m_14_112": Row(112, Encoder(6, 256, 8, 512, 14), TEXT_S, 32, 20_000, 512, 30_803_969),
    "vit_l_14_224": Row(224, Encoder(24, 1024, 16, 4096, 14), TEXT_L, 32, 20_000, 512, 404_537_857),
    # the CLIP for tinkering: six heads of 128
    "tinker_16_224": Row(224, Encoder(8, 768, 6, 3072, 16), Encoder(6, 512, 8, 2048), 77, 49_408, 512, 102_354_945),
    # the plans for COCO and LAION: open_clip's RN50
    "rn50_224": Row(224, ((3, 4, 6, 3), 64), TEXT_CLIP, 77, 49_408, 1024, 102_007_137),
    # ours, for two cores
    "sandbox_small": Row(48, ((1, 1, 1, 1), 24), Encoder(2, 128, 4, 512), 32, 1000, 128, 3_551_733),
    "laptop_small": Row(64, RESNET_10T, Encoder(1, 256, 4, 256), 32, 4000, 256, 6_547_577),
    "laptop_medium": Row(96, RESNET_10T, Encoder(1, 256, 4, 256), 32, 4000, 256, 6_547_577),
    "laptop_vit": Row(64, Encoder(6, 192, 3, 768, 8), Encoder(3, 192, 3, 768), 32, 4000, 256, 4_926_913),
    "laptop_vit_pooled": Row(64, Encoder(6, 192, 3, 768, 8, 16), Encoder(3, 192, 3, 768), 32, 4000, 256, 4_936_610),
    "tiny_test": Row(16, Encoder(1, 32, 2, 64, 4), Encoder(1, 32, 2, 64), 12, 300, 32, 31_425),
}

HEAD_WIDTH, PATCH, MAX_GRID, EMBEDDING, VOCABULARY, TOKENS = 4, 4, 4, 32, 300, 8


def scaled_down(name: str) -> dict[str, Any]:
    """The configuration with narrow heads, small patches and few of them; layers, heads and MLP ratios are the model's own."""
    config = copy.deepcopy(load_config(name))
    vision, text = config["vision_cfg"], config["text_cfg"]
    config["embed_dim"] = EMBEDDING
    if "timm_model_name" in vision:  # its widths go with its name
        vision.update(image_size=64)
    elif isinstance(vision["layers"], list):
        vision.update(width=8, image_size=64)
    else:
        heads, grid = vision["width"] // vision["head_width"], vision["image_size"] // vision["patch_size"]
        vision.update(width=heads * HEAD_WIDTH, head_width=HEAD_WIDTH, patch_size=PATCH)
        vision.update(image_size=PATCH * min(grid, MAX_GRID))
    text.update(width=text["heads"] * HEAD_WIDTH, vocab_size=VOCABULARY, context_length=TOKENS)
    return config
