"""The settings `pooling`: how often learned boundaries are drawn, wherever a model pools."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.settings.checked import CheckedSettings, setting


@dataclass(frozen=True)
class PoolingSettings(CheckedSettings):
    """How often learned boundaries are drawn, wherever a model pools."""

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
