"""What the parts of a training are made of, taken from its settings; nothing below this page sees a settings section."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from clip_pipeline.errors import SettingsError, TrainingError
from clip_pipeline.models.form import form_of, names_weights
from clip_pipeline.models.registry import OF_TOKENIZER, context_length_of, load_config
from clip_pipeline.models.sizes import Sizes, resized_config
from clip_pipeline.models.token_pooling import KEY, LEARNT, NONE
from clip_pipeline.settings import PoolingSettings, TrainingSettings
from clip_pipeline.training.checkpoint import Saving
from clip_pipeline.training.data.augmentation import Augmentation
from clip_pipeline.training.model.chosen_pooling import TEXT, ChosenPooling, pooled_config
from clip_pipeline.training.model.freezing import FrozenEncoder
from clip_pipeline.training.model.initial_model import InitialModel
from clip_pipeline.training.objective.loss import Objective
from clip_pipeline.training.optim.optimizer import OptimizerOptions
from clip_pipeline.training.optim.schedule import Schedule, count_steps, count_warmup_steps


def architecture_of(settings: TrainingSettings, pooling: PoolingSettings | None = None) -> dict[str, Any]:
    """The configuration of the model, of open_clip's form: that of the model that is gone on from, else `training.model` in the sizes
    of the settings; its tokens pooled as `pooling` says, None for as the model says.

    Raises ModelError for an unknown model, SettingsError for a size that its encoders cannot have, or that the model gone on from
    has not, and for a pooling that its image encoder cannot do.
    """
    model, chosen = settings.init_from or settings.model, _chosen_pooling(pooling or PoolingSettings())
    if settings.init_from and chosen.encoder == TEXT and chosen.changes:
        raise SettingsError(
            f"pooling.encoders is {TEXT}, and the training goes on from {model}: its text encoder has learnt its own tokens. Leave training.init_from "
            "empty, or the settings of pooling."
        )
    return pooled_config(_plain_architecture(settings), model, chosen)


def _chosen_pooling(pooling: PoolingSettings) -> ChosenPooling:
    return ChosenPooling(pooling.kind, pooling.target, pooling.after_layer, pooling.order, pooling.encoders)


def _plain_architecture(settings: TrainingSettings) -> dict[str, Any]:
    sizes = Sizes(
        settings.vision_layers,
        settings.vision_width,
        settings.text_layers,
        settings.text_width,
        settings.embedding_size,
        settings.context_length,
    )
    if not settings.init_from:
        return resized_config(_random_config(settings.model), settings.model, sizes)
    config = form_of(settings.init_from).config
    _check_own_sizes(config, sizes, settings.init_from)
    return config


def _random_config(model: str) -> dict[str, Any]:
    if names_weights(model):
        raise SettingsError(
            f"training.model is {model}, which names weights; it takes an architecture, whose weights are then random. Set "
            f"training.init_from to {model} to go on from them."
        )
    return load_config(model)


def _check_own_sizes(config: dict[str, Any], sizes: Sizes, model: str) -> None:
    """Weights have the sizes that they have."""
    vision, text = config["vision_cfg"], config["text_cfg"]
    own = {
        "vision_layers": vision.get("layers", 12),
        "vision_width": vision.get("width", 768),
        "text_layers": text.get("layers", 12),
        "text_width": text.get("width", 512),
        "embedding_size": config["embed_dim"],
        "context_length": context_length_of(config),
    }
    other = [f"training.{name} is {size}" for name, size in asdict(sizes).items() if size and size != own[name]]
    if other:
        raise SettingsError(
            f"{' and '.join(other)}, but the weights of {model}, which the training goes on from, have sizes of their own. Set "
            f"{'it' if len(other) == 1 else 'them'} to 0."
        )


def schedule_of(settings: TrainingSettings, photos: int) -> Schedule:
    """The length and the learning rates of a training on so many photos.

    Raises SettingsError for two lengths at once, TrainingError for a warmup that does not end.
    """
    if settings.steps and settings.samples:
        raise SettingsError(
            f"training.steps is {settings.steps} and training.samples is {settings.samples}. Give one of them."
        )
    steps = count_steps(photos, settings.batch_size, settings.epochs, settings.steps, settings.samples)
    warmup = count_warmup_steps(steps, settings.warmup_percent, settings.warmup_steps)
    if settings.warmup_steps and warmup >= steps:
        raise TrainingError(
            f"training.warmup_steps is {warmup:,}, but the training has only {steps:,} steps: the learning rate would "
            f"never reach its peak. Set it to {max(1, steps // 20):,} or less, or train longer."
        )
    peak = settings.learning_rate
    final, cooldown = peak * settings.final_lr_percent / 100, round(steps * settings.cooldown_percent / 100)
    return Schedule(steps, warmup, peak, final, settings.schedule, cooldown)


def initial_model_of(settings: TrainingSettings) -> InitialModel:
    """What the model is before its first step."""
    return InitialModel(
        name=settings.init_from or settings.model,
        init_from=settings.init_from,
        loss=settings.loss,
        temperature=settings.temperature,
        patch_dropout=settings.patch_dropout,
        text_encoder=settings.text_encoder,
        frozen=None if settings.freeze == "none" else FrozenEncoder(settings.freeze, settings.freeze_norms),
        gradient_checkpointing=settings.gradient_checkpointing,
        compile=settings.compile,
        batch_norms=settings.batch_norms,
    )


def augmentation_of(settings: TrainingSettings) -> Augmentation:
    """How strongly what is seen is varied."""
    return Augmentation(
        settings.crop_scale,
        settings.flip,
        settings.color_jitter,
        settings.grayscale_prob,
        settings.random_erasing_prob,
        settings.mixup_alpha,
        settings.token_dropout,
    )


def objective_of(settings: TrainingSettings) -> Objective:
    """What is minimised."""
    return Objective(settings.loss, settings.label_smoothing, settings.bag_of_words_loss)


def optimizer_of(settings: TrainingSettings) -> OptimizerOptions:
    """How the weights are moved."""
    return OptimizerOptions(
        name=settings.optimizer,
        lr=settings.learning_rate,
        betas=(settings.beta_1, settings.beta_2),
        eps=settings.epsilon,
        weight_decay=settings.weight_decay,
        muon_lr=settings.muon_lr,
        muon_decay=settings.muon_decay,
        grad_clip_norm=settings.grad_clip_norm,
        max_logit_scale=settings.max_logit_scale,
    )


def saving_of(settings: TrainingSettings) -> Saving:
    """What is kept of a training while it runs."""
    return Saving(
        seconds=settings.checkpoint_seconds,
        steps=settings.checkpoint_steps,
        keep=settings.keep_checkpoints,
        best=settings.export_weights == "best",
        tensorboard=settings.tensorboard,
    )


def odd_settings(
    settings: TrainingSettings, has_batch_norms: bool, processes: int = 1, by_bytes: bool = False
) -> list[str]:
    """Sentences about settings that do not go well together. processes: that share the batch. by_bytes: whether the model reads those."""
    found = []
    if by_bytes and settings.bag_of_words_loss:
        found.append(
            "training.bag_of_words_loss asks an image for the tokens of its captions, and those of this model are bytes, which say nothing of it. "
            "Set it to 0."
        )
    if settings.loss == "sigmoid" and settings.label_smoothing:
        found.append("training.label_smoothing has no effect on the sigmoid loss.")
    if 0 < settings.chunk_size < settings.batch_size // processes and has_batch_norms:
        found.append(
            f"The model has batch norms: with training.chunk_size they see {settings.chunk_size} images at a time, not "
            f"the whole batch of {settings.batch_size}."
        )
    if settings.init_from and not settings.steps:
        found.append("training.init_from without training.steps trains for whole epochs; a step limit is usual.")
    return found


def about_model(settings: TrainingSettings) -> list[str]:
    """Sentences about a model that is not the one that may be meant: `training.model` beside init_from, or a folder without it.
    Raises ModelError."""
    model, init_from = settings.model, settings.init_from
    if not init_from:
        return [_only_architecture(model)] if Path(model).expanduser().is_dir() else []
    if model == init_from:
        return []
    if not names_weights(model) and _encoders(load_config(model)) == _encoders(form_of(init_from).config):
        return []
    sentence = f"The model is {init_from}, with its own architecture, tokenizer and preprocessing; training.model, {model}, has no part in it."
    wanted = None if names_weights(model) else load_config(model)["vision_cfg"].get(KEY)
    if wanted and not form_of(init_from).config["vision_cfg"].get(KEY):
        sentence += f" To pool the tokens of {init_from} as {model} does, set pooling.kind={wanted['kind']}."
    return [sentence]


def about_pooling(settings: TrainingSettings, config: dict[str, Any]) -> list[str]:
    """A sentence where a model is gone on from whose tokens were pooled otherwise, or not at all. config: what is trained. Raises ModelError."""
    if not settings.init_from:
        return []
    before, now = (one["vision_cfg"].get(KEY) or {} for one in (form_of(settings.init_from).config, config))
    if before == now:
        return []
    was, becomes = before.get("kind", NONE), now.get("kind", NONE)
    found = f"{settings.init_from} goes on with token pooling {_entries(now)} and was trained with {_entries(before)}: its weights have to get used to it."
    if becomes in LEARNT and was != becomes:
        found += f" What draws the boundaries of {becomes} begins with random weights."
    if was in LEARNT and was != becomes:
        found += f" What drew the boundaries of {was} is left out."
    return [found]


def _entries(pooling: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in pooling.items()) or NONE


def _only_architecture(folder: str) -> str:
    return f"training.model is a folder, {folder}: its architecture is taken, with random weights. training.init_from goes on from its weights."


def _encoders(config: dict[str, Any]) -> tuple[Any, ...]:
    """What two configurations must share to be of one architecture, whatever their tokenizers."""
    text = {name: value for name, value in config["text_cfg"].items() if name not in OF_TOKENIZER}
    return config["embed_dim"], config["vision_cfg"], text, bool(config.get("quick_gelu"))
