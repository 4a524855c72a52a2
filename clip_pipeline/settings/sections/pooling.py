"""The settings `pooling`: which tokens of a model become one, and how often learned boundaries are drawn."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.settings.checked import CheckedSettings, setting


@dataclass(frozen=True)
class PoolingSettings(CheckedSettings):
    """Which tokens of a CLIP become one, and how often a language model draws boundaries; its kinds are those of `language.models`."""

    kind: str = setting(
        "",
        "How tokens of a CLIP's encoder become fewer: none, windows (squares of the grid), fixed (stretches of one length), gumbel and "
        "router (stretches whose ends are learnt), tome (the most alike); of a text none, whitespace (words of bytes), fixed and router. Empty is as "
        "the model says.",
        choices=("", "none", "windows", "fixed", "gumbel", "router", "tome", "whitespace"),
    )
    target: float = setting(
        0.0,
        "Tokens that become one, on average; for windows a square number. 0 is as the model says, or 4 (2 of a tokenizer's tokens) where it says nothing.",
        low=0,
    )
    after_layer: int = setting(
        0, "Layer after which tokens become fewer. 0 is as the model says, or a quarter of the layers.", low=0
    )
    order: str = setting(
        "",
        "Order in which the tokens of an image are read, for fixed, gumbel and router: raster, serpentine or hilbert. Empty is as the model "
        "says, or serpentine.",
        choices=("", "raster", "serpentine", "hilbert"),
    )
    encoders: str = setting(
        "image",
        "Encoder that the settings above are of; the other pools as the model says.",
        choices=("image", "text"),
    )
    rate_loss: str = setting(
        "ratio",
        "What holds the rate of boundaries at the target: ratio (H-Net), binomial (Nawrot et al.), hinge (FlexiTokens).",
        choices=("ratio", "binomial", "hinge"),
    )
    rate_weight: float = setting(
        0.03, "Weight of that loss beside the task's; 0.03 is H-Net's for ratio, 1 Nawrot's for binomial.", low=0
    )
    raise_percent: float = setting(
        10.0,
        "Share of the steps, in percent, over which the target of tokens a segment rises from 2 to its own; 0 has it from the start.",
        low=0,
        high=100,
    )


OF_ARCHITECTURE = ("kind", "target", "after_layer", "order", "encoders")
"""Those that decide what a CLIP is; the others say how a language model's boundaries are held at their rate."""
