"""Which language models are trained: what `language.models` asks for, by key, and what each is built of and trained by."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.errors import SettingsError
from clip_pipeline.language.model import NONE, ModelForm
from clip_pipeline.language.training import LanguageTraining
from clip_pipeline.pooling.predictors import FIXED, GUMBEL, ROUTER
from clip_pipeline.settings import LanguageSettings, PoolingSettings

WITH_TARGET = (FIXED, GUMBEL, ROUTER)
TARGET = 4.0
CHANNELS_OF_HEAD = 64


@dataclass(frozen=True)
class AskedModel:
    """kind: of KINDS. number: layers of `none`, characters a segment of those that have a target, 0 for the others. seed: of its training."""

    kind: str
    number: float
    seed: int

    @property
    def name(self) -> str:
        """Without its seed: router@4, whitespace, none@6."""
        return f"{self.kind}@{self.number:g}" if self.number else self.kind

    @property
    def key(self) -> str:
        """The partition: router@4-0."""
        return f"{self.name}-{self.seed}"


def asked_models(settings: LanguageSettings) -> list[AskedModel]:
    """In the order in which they are asked for, all seeds of one before the next. Raises SettingsError for what is no model."""
    names = [name.strip() for name in settings.models.split(",") if name.strip()]
    if not names:
        raise SettingsError("language.models is empty. Name one or more, such as none,whitespace.")
    models = [_named(name, settings) for name in names]
    seeds = range(settings.seed, settings.seed + settings.seeds)
    return list(dict.fromkeys(AskedModel(kind, number, seed) for kind, number in models for seed in seeds))


def find_asked(settings: LanguageSettings, key: str) -> AskedModel:
    """The model of a partition. Raises SettingsError for a key that the settings do not ask for."""
    for model in asked_models(settings):
        if model.key == key:
            return model
    raise SettingsError(f'language.models={settings.models} asks for no "{key}". Add it there, or name one of those.')


def form_of(model: AskedModel, settings: LanguageSettings) -> ModelForm:
    """What it is built of. Raises SettingsError for layers, a width or a target that cannot be."""
    first, middle, last = _layers(settings.layers)
    if model.kind == NONE:
        first, middle, last = 0, 0, int(model.number)
    return ModelForm(
        kind=model.kind,
        target=model.number if model.kind in WITH_TARGET else TARGET,
        layers=(first, middle, last),
        width=settings.width,
        heads=settings.heads or max(1, settings.width // CHANNELS_OF_HEAD),
        convolution=settings.convolution,
        dropout=settings.dropout,
        residual=settings.residual,
    )


def training_of(model: AskedModel, settings: LanguageSettings, pooling: PoolingSettings) -> LanguageTraining:
    """How it is trained, with the steps of `language.steps`."""
    return LanguageTraining(
        steps=settings.steps,
        batch=settings.batch_size,
        context=settings.context,
        learning_rate=settings.learning_rate,
        warmup_percent=settings.warmup_percent,
        weight_decay=settings.weight_decay,
        rate_loss=pooling.rate_loss,
        rate_weight=pooling.rate_weight,
        raise_percent=pooling.raise_percent,
        validation_characters=settings.validation_characters,
        precision=settings.precision,
        seed=model.seed,
    )


def _named(text: str, settings: LanguageSettings) -> tuple[str, float]:
    kind, at, number = text.partition("@")
    ModelForm(kind)  # says which kinds there are
    try:
        value = float(number) if at else 0.0
    except ValueError:
        raise SettingsError(f'language.models holds "{text}": after @ comes a number.') from None
    if kind == NONE:
        layers = value or sum(_layers(settings.layers))
        if layers < 1 or layers != int(layers):
            raise SettingsError(f'language.models holds "{text}": none@LAYERS has a whole number of layers.')
        return kind, layers
    if kind in WITH_TARGET:
        ModelForm(kind, value or TARGET)
        return kind, value or TARGET
    if at:
        raise SettingsError(
            f'language.models holds "{text}": the segments of {kind} are as long as they are, without a number.'
        )
    return kind, 0.0


def _layers(text: str) -> tuple[int, int, int]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        raise SettingsError(f'language.layers is "{text}", expected three numbers with commas between, such as 1,4,1.')
    first, middle, last = map(int, parts)
    return first, middle, last
