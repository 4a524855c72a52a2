"""The settings `probe`: small classifiers that are trained on the embeddings."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.settings.checked import CheckedSettings, setting


@dataclass(frozen=True)
class ProbeSettings(CheckedSettings):
    """Small classifiers that are trained on the embeddings."""

    inverse_regularizations: int = setting(
        96,
        "Values of C, the inverse of the regularisation, that the linear probe tries on validation photos; they lie between "
        "1e-6 and 1e6 at equal ratios.",
        low=2,
        high=1000,
    )
    standardise: bool = setting(
        False,
        "Scale every dimension of the embeddings to a spread of 1 before the linear probes; they are centred anyway.",
    )
    double: bool = setting(False, "Linear probes multiply in float64 instead of float32; sums are of float64 in both.")
    validation_percent: float = setting(
        20.0,
        "Share of the training photos that choose C, in percent, where the dataset has no validation split; the probe is "
        "trained on them too once C is chosen.",
        low=1,
        high=50,
    )
    test_percent: float = setting(
        50.0,
        "Share of a split's photos that are tested, in percent, where the dataset has no training split.",
        low=1,
        high=90,
    )
    mlp_epochs: int = setting(
        16, "Passes of the MLP probe (120 and 84 sigmoids) over the photos; 0 leaves it out.", low=0
    )
    mlp_batch_size: int = setting(512, "Photos a step of the MLP probe.", low=1)
    mlp_learning_rate: float = setting(1e-3, "Learning rate of the MLP probe's Adam.", low=1e-9, high=1)
    mlp_standardise: bool = setting(
        True,
        "Give the MLP probe embeddings whose dimensions have mean 0 and spread 1; unit vectors as they are learn slowly.",
    )
    shots: str = setting(
        "1,2,4,8,16", "Photos a class of the few-shot probes, with commas between; empty leaves them out."
    )
    few_shot_seeds: int = setting(5, "Draws of the photos of each few-shot probe.", low=2, high=100)
    seed: int = setting(
        0, "Seed of the halves, the validation photos, the MLP's weights and order, and the first few-shot draw."
    )
