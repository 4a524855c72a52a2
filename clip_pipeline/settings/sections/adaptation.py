"""The settings `adaptation`: which ways of adapting the model to labelled photos are compared, and with how many photos."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.settings.checked import CheckedSettings, setting


@dataclass(frozen=True)
class AdaptationSettings(CheckedSettings):
    """Which ways of adapting the model to labelled photos are compared, and with how many photos."""

    dataset: str = setting(
        "",
        "Labelled dataset to adapt to, one of evaluation.datasets; NAME:SPLIT takes one split of it, which is divided. Empty "
        "leaves the adaptation out.",
    )
    out_of_domain: str = setting(
        "",
        "Labelled dataset on which each adapted model's zero-shot ability is scored beside, named in the same way; empty is none.",
    )
    methods: str = setting(
        "zero_shot,linear_probe,layer_norm,layer_decay,layer_decay_top,last_blocks,full,lp_then_ft,wise_ft,lora",
        "Ways of adapting, with commas between.",
    )
    fractions: str = setting(
        "1,10,20,30,40,50,60,70,80,90,100", "Nested fractions of the training photos, in percent, with commas between."
    )
    seeds: int = setting(
        3, "Repetitions of each trial: another draw of the photos and of their order.", low=1, high=100
    )
    seed: int = setting(0, "First seed; it also decides which photos are for validation and test.")
    train_photos_per_class: int = setting(0, "Most photos a class that 100 % is made of; 0 takes all.", low=0)
    test_photos_per_class: int = setting(0, "Most photos a class that are tested on; 0 takes all.", low=0)
    out_of_domain_photos_per_class: int = setting(
        0, "Most photos a class of the dataset out of domain; 0 takes all.", low=0
    )
    validation_percent: float = setting(
        10.0,
        "Share of the training photos that choose when to stop, in percent, the same for all fractions; unused where the "
        "dataset has a validation split.",
        low=0.1,
        high=50,
    )
    test_percent: float = setting(
        30.0, "Share of the photos for the test, in percent, where the dataset has no test split.", low=1, high=90
    )
    epochs: float = setting(10.0, "Passes over a fraction's photos, within the two limits that follow.", low=0.01)
    min_steps: int = setting(40, "Least steps of a training, however few photos.", low=1)
    max_steps: int = setting(1000, "Most steps of a training, however many photos.", low=1)
    batch_size: int = setting(64, "Photos in a step.", low=1)
    learning_rate: float = setting(
        3e-5,
        "Peak learning rate of AdamW for the head and the weights that learn. Small models want more, such as 5e-4.",
        low=1e-9,
        high=1,
    )
    peft_lr_mult: float = setting(
        10.0,
        "Learning rate, in multiples of learning_rate, of methods that change few numbers: the norms of "
        "layer_norm, the matrices of lora.",
        low=1e-3,
    )
    head_lr_mult: float = setting(
        1.0,
        "Learning rate of the head, in multiples of learning_rate; more where the model knows little of the "
        "classes, and texts are a poor beginning.",
        low=1e-3,
    )
    weight_decay: float = setting(0.05, "Weight decay, on matrices only.", low=0)
    warmup_percent: float = setting(
        10.0, "Share of the steps with a rising learning rate, in percent.", low=0, high=100
    )
    layer_decay: float = setting(
        0.65, "Factor of the learning rate from each layer to the one below it.", low=0.01, high=1
    )
    top_blocks: int = setting(
        0, "Blocks that layer_decay_top trains, counted from the last; 0 is five of twelve, in this proportion.", low=0
    )
    last_blocks: int = setting(1, "Blocks that last_blocks trains, counted from the last.", low=1)
    lora_rank: int = setting(8, "Rank of the matrices that lora adds to a weight.", low=1)
    alphas: str = setting(
        "0,0.25,0.5,0.75,1", "Shares of the adapted weights that wise_ft tries, the rest being the weights before."
    )
    label_smoothing: float = setting(
        0.0, "Share of the target, from 0 to 1, that the cross-entropy spreads over all classes.", low=0, high=0.9
    )
    crop_scale: float = setting(0.6, "Smallest area of the random crop, as a fraction; 1 is no crop.", low=0.05, high=1)
    flip: bool = setting(True, "Mirror photos at random.")
    validations: int = setting(6, "Validations of a training, at even distances.", low=1)
    patience: int = setting(
        3, "Validations without a better accuracy after which a training stops; the best is kept.", low=1
    )
    precision: str = setting(
        "auto",
        "Products of the training: fp32, bf16, or auto for bf16 where the processor has it built in. Weights are fp32, tests too.",
        choices=("auto", "fp32", "bf16"),
    )
