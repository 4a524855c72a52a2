"""What the parts of an adaptation are made of, taken from its settings."""

from __future__ import annotations

from clip_pipeline.adaptation.fine_tuning import FineTuning
from clip_pipeline.adaptation.methods import MethodOptions
from clip_pipeline.adaptation.splits import Division
from clip_pipeline.settings import AdaptationSettings
from clip_pipeline.training.data.augmentation import Augmentation


def seeds_of(settings: AdaptationSettings) -> range:
    """One seed a repetition."""
    return range(settings.seed, settings.seed + settings.seeds)


def division_of(settings: AdaptationSettings) -> Division:
    """How a dataset is divided into training, validation and test."""
    return Division(
        seed=settings.seed,
        validation_percent=settings.validation_percent,
        test_percent=settings.test_percent,
        train_photos_per_class=settings.train_photos_per_class,
        test_photos_per_class=settings.test_photos_per_class,
        out_of_domain_photos_per_class=settings.out_of_domain_photos_per_class,
    )


def method_options_of(settings: AdaptationSettings) -> MethodOptions:
    """How far the methods reach."""
    return MethodOptions(
        peft_lr_mult=settings.peft_lr_mult,
        layer_decay=settings.layer_decay,
        top_blocks=settings.top_blocks,
        last_blocks=settings.last_blocks,
        lora_rank=settings.lora_rank,
    )


def fine_tuning_of(settings: AdaptationSettings) -> FineTuning:
    """How a trial trains."""
    return FineTuning(
        learning_rate=settings.learning_rate,
        head_lr_mult=settings.head_lr_mult,
        weight_decay=settings.weight_decay,
        warmup_percent=settings.warmup_percent,
        epochs=settings.epochs,
        min_steps=settings.min_steps,
        max_steps=settings.max_steps,
        batch_size=settings.batch_size,
        augmentation=Augmentation(crop_scale=settings.crop_scale, flip=settings.flip),
        label_smoothing=settings.label_smoothing,
        validations=settings.validations,
        patience=settings.patience,
    )
