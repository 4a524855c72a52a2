"""Named sets of settings: the recipes, each derived from another with `dataclasses.replace`."""

from __future__ import annotations

from dataclasses import replace

from clip_pipeline.errors import SettingsError, nearest_name
from clip_pipeline.settings import (
    AdaptationSettings,
    DownloadSettings,
    EmbeddingSettings,
    EvaluationSettings,
    LinksSettings,
    ProbeSettings,
    Recipe,
    SandboxSettings,
    TokenizerSettings,
    TrainingSettings,
    WikipediaSettings,
    WordsSettings,
)

SANDBOX = Recipe(
    name="sandbox",
    about="The generated world, small enough for two cores and five minutes.",
    links=LinksSettings(photos_per_word=3000),
    download=DownloadSettings(image_size=64, request_width=96, photos_per_shard=1000),
    tokenizer=TokenizerSettings(vocab_size=1000),
    training=TrainingSettings(
        model="sandbox_small",
        epochs=14,
        batch_size=48,
        learning_rate=1.5e-3,
        warmup_percent=8,
        weight_decay=0.1,
        bag_of_words_loss=3.0,
        precision="auto",
    ),
    # 992 photos in batches of 512 are 32 steps, after which the MLP has learnt nothing (0.20 and 0.53 on seen and unseen classes, the
    # linear probe 0.86 and 0.94); 1,240 steps of 32 photos take 2 s and give 0.87 and 0.94 (2026-11-30).
    probe=ProbeSettings(mlp_batch_size=32, mlp_epochs=40),
    adaptation=AdaptationSettings(
        dataset="sandbox:unseen",
        out_of_domain="sandbox:seen",
        methods="zero_shot,linear_probe,full,lp_then_ft",
        fractions="5,25,100",
        seeds=1,
        train_photos_per_class=20,
        test_photos_per_class=8,
        out_of_domain_photos_per_class=4,
        learning_rate=1e-4,
        epochs=3,
        min_steps=20,
        max_steps=30,
        validations=3,
    ),
)

TINY = replace(
    SANDBOX,
    name="tiny",
    about="The generated world at the size of a test: seconds, and scores that mean nothing.",
    sandbox=SandboxSettings(photos=240, articles=120),
    wikipedia=WikipediaSettings(parts=2),
    words=WordsSettings(min_count=20),
    links=LinksSettings(buckets=2, photos_per_word=300),
    download=replace(SANDBOX.download, photos_per_shard=128),
    tokenizer=TokenizerSettings(vocab_size=400),
    training=TrainingSettings(model="tiny_test", epochs=2, batch_size=32),
    evaluation=EvaluationSettings(bootstrap_samples=100),
    probe=ProbeSettings(inverse_regularizations=7, mlp_epochs=1, shots="1,2", few_shot_seeds=2),
    adaptation=replace(
        SANDBOX.adaptation,
        methods="zero_shot,linear_probe,full,wise_ft",
        fractions="50,100",
        train_photos_per_class=4,
        test_photos_per_class=1,
        min_steps=2,
        max_steps=2,
    ),
)

LAPTOP = Recipe(
    name="laptop",
    about="Your own dump and photos on a laptop without a GPU: thousands of photos, half an hour.",
    links=LinksSettings(source="folder"),
    download=DownloadSettings(image_size=128, photos_per_shard=1000),
    tokenizer=TokenizerSettings(vocab_size=4000),
    training=TrainingSettings(
        model="laptop_medium",
        text_encoder="stays_mean",
        epochs=38,
        batch_size=128,
        captions_per_photo=5,
        token_dropout=0.5,
        optimizer="muon",
        learning_rate=1e-3,
        weight_decay=1.0,
        crop_scale=0.2,
        cached_image_size=128,
        flip=True,
        color_jitter=0.3,
        grayscale_prob=0.1,
        random_erasing_prob=0.3,
        mixup_alpha=0.5,
        ema_decay=0.998,
        precision="auto",
    ),
    embedding=EmbeddingSettings(runtime="auto"),
    evaluation=EvaluationSettings(datasets="held_out"),
)

FINETUNE = replace(
    LAPTOP,
    name="finetune",
    about="A CLIP that others trained goes on with your own photos, in steps that keep what it knows.",
    download=DownloadSettings(image_size=256, photos_per_shard=1000),
    training=TrainingSettings(
        init_from="ViT-B-32/laion2b_s34b_b79k",
        epochs=5,
        batch_size=64,
        learning_rate=1e-5,
        warmup_percent=10,
        weight_decay=0.1,
        repeat_captions="unavoidable",
        precision="auto",
    ),
)
"""Rate and decay are near those of WiSE-FT (Wortsman et al. 2022: 3e-5 and 0.1 in batches of 512). Photos are stored as large as most such models
see them."""

WORKSTATION = replace(
    LAPTOP,
    name="workstation",
    about="One GPU: hundreds of thousands of photos, hours.",
    download=DownloadSettings(image_size=160, connections=64),
    tokenizer=TokenizerSettings(vocab_size=20_000),
    training=TrainingSettings(model="vit_s_16_112", epochs=30, batch_size=1024, learning_rate=5e-4, precision="bf16"),
)

WKIT24M = replace(
    WORKSTATION,
    name="wkit24m",
    about="Every word of English Wikipedia and the photos found for it, as WKIT-24M: a big GPU, days.",
    wikipedia=WikipediaSettings(dump="mirror", parts=200),
    words=WordsSettings(stop_words="none"),
    links=LinksSettings(source="unsplash", buckets=128),
    download=DownloadSettings(image_size=160, request_width=320, photos_per_shard=10_000, connections=64, min_side=112),
    training=TrainingSettings(
        model="vit_b_16_112", epochs=32, batch_size=1024, learning_rate=5e-4, warmup_percent=2, precision="bf16"
    ),
)

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (SANDBOX, TINY, LAPTOP, FINETUNE, WORKSTATION, WKIT24M)}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name. Raises SettingsError with the nearest right name."""
    if name not in RECIPES:
        raise SettingsError(f'There is no recipe "{name}". {nearest_name(name, RECIPES)}')
    return RECIPES[name]
