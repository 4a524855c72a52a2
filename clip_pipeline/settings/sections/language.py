"""The settings `language`: the language models of characters, which are trained when they are asked for by name."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.settings.checked import CheckedSettings, setting


@dataclass(frozen=True)
class LanguageSettings(CheckedSettings):
    """The language models of characters, which are trained when they are asked for by name."""

    text: str = setting(
        "dump",
        "The text: dump makes it of the Wikipedia dump by text8's rules; else a file of a to z and spaces, as text8 is, packed or not.",
    )
    sha256: str = setting("", "Checksum that the unpacked file must have; empty takes any.")
    characters: int = setting(0, "Most characters, from the beginning; 0 takes all.", low=0)
    models: str = setting(
        "none,none@3,whitespace,router@4,fixed@4",
        "Models, with commas between: none@LAYERS is not pooled (none has all of language.layers); whitespace, unigram and entropy; fixed, gumbel "
        "and router @CHARACTERS a segment (4 without).",
    )
    seeds: int = setting(1, "Trainings of each model, with other starting weights and another order.", low=1, high=100)
    seed: int = setting(0, "First seed.")
    layers: str = setting("1,4,1", "Layers before the segments, on them and after them.")
    width: int = setting(128, "Channels.", low=16, high=8192)
    heads: int = setting(0, "Heads of attention; 0 is one for 64 channels.", low=0)
    convolution: int = setting(
        4, "Characters of the causal convolution in each layer; 0 leaves it out.", low=0, high=64
    )
    residual: str = setting(
        "gated",
        "How segments are joined with characters: gated adds them, a tenth at first; projected adds the characters to them, nothing at first (H-Net).",
        choices=("gated", "projected"),
    )
    dropout: float = setting(0.0, "Dropout after attention and MLP.", low=0, high=0.9)
    context: int = setting(512, "Characters that a model sees at once, in training and in scoring.", low=8)
    batch_size: int = setting(8, "Stretches of text in a step.", low=1)
    steps: int = setting(2000, "Steps of each training, unless minutes are given.", low=1)
    minutes: float = setting(
        0.0,
        "Processor minutes of each training: its steps are as many as fit by the time of its first ones. Such a training is not the same twice. 0 takes steps.",
        low=0,
    )
    learning_rate: float = setting(3e-3, "Peak learning rate of AdamW.", low=1e-9, high=10)
    warmup_percent: float = setting(5.0, "Share of the steps with a rising learning rate, in percent.", low=0, high=100)
    weight_decay: float = setting(0.1, "Weight decay, on matrices only.", low=0)
    precision: str = setting("fp32", "Products of the training; scores are fp32.", choices=("fp32", "bf16"))
    stride: int = setting(0, "Characters between two windows of scoring; 0 is half of the context.", low=0)
    scored_characters: int = setting(0, "Most characters of validation and test that are scored; 0 takes all.", low=0)
    validation_characters: int = setting(
        20_000, "Characters of the validation text that are scored at ten moments of a training; 0 for none.", low=0
    )
