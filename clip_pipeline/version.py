"""Which version this is, and what earlier ones called otherwise: an old name is answered with the new one, never understood silently.

The build reads the version without importing anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__version__ = "0.2.0"


@dataclass(frozen=True)
class Renamed:
    """now: the name of today. since: the version that it came with."""

    now: str
    since: str = "0.2"


SETTINGS = {
    "adaptation.head_rate": Renamed("adaptation.head_lr_mult"),
    "adaptation.least_steps": Renamed("adaptation.min_steps"),
    "adaptation.light_rate": Renamed("adaptation.peft_lr_mult"),
    "adaptation.most_steps": Renamed("adaptation.max_steps"),
    "embedding.least_photos": Renamed("embedding.min_photos"),
    "links.longest_wait": Renamed("links.max_wait"),
    "probe.strengths": Renamed("probe.inverse_regularizations"),
    "training.cache_pictures": Renamed("training.cache_decoded_images"),
    "training.clip_norm": Renamed("training.grad_clip_norm"),
    "training.colour_jitter": Renamed("training.color_jitter"),
    "training.erasing": Renamed("training.random_erasing_prob"),
    "training.final_rate_percent": Renamed("training.final_lr_percent"),
    "training.greying": Renamed("training.grayscale_prob"),
    "training.max_bad_percent": Renamed("training.max_undecodable_percent"),
    "training.mixing": Renamed("training.mixup_alpha"),
    "training.muon_rate": Renamed("training.muon_lr"),
    "training.picture_layers": Renamed("training.vision_layers"),
    "training.picture_width": Renamed("training.vision_width"),
    "training.publish": Renamed("training.export_weights"),
    "training.start_from": Renamed("training.init_from"),
    "training.stored_side": Renamed("training.cached_image_size"),
    "training.text_tower": Renamed("training.text_encoder"),
    "training.word_dropout": Renamed("training.token_dropout"),
    "training.word_loss": Renamed("training.bag_of_words_loss"),
}
"""Settings by their old name, `section.field`."""

CHOICES = {
    ("training.freeze", "picture"): Renamed("image"),
    ("words.order", "pictured"): Renamed("captioned"),
}
"""Values of a setting by (setting, old value)."""

OPTIONS = {("classify", "--picture"): Renamed("--figure")}
"""Options of commands by (command, old option)."""

ASSETS = {"training_pictures": Renamed("decoded_images")}
"""Assets by their old name."""


def renamed_setting(full_name: str) -> str:
    """A sentence with the new name where `full_name` is that of a setting of before, else ""."""
    return _write_the_new(_sentence(full_name, SETTINGS.get(full_name)))


def new_setting_name(old: str) -> str:
    """What a setting of before is called now, "" where it was not renamed; with its section or, as manifests have it, without."""
    if old in SETTINGS:
        return SETTINGS[old].now
    found = [renamed.now for name, renamed in SETTINGS.items() if name.partition(".")[2] == old]
    return found[0].partition(".")[2] if found else ""


def with_new_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that an older version wrote down, under the names of today."""
    return {new_setting_name(name) or name: value for name, value in settings.items()}


def new_asset_name(old: str) -> str:
    """What an asset of before is called now, "" where it was not renamed."""
    return ASSETS[old].now if old in ASSETS else ""


def renamed_choice(setting: str, value: str) -> str:
    """A sentence with the new value where `value` is one of before, else ""."""
    found = CHOICES.get((setting, value))
    return _write_the_new(_sentence(f"{setting}={value}", found and Renamed(f"{setting}={found.now}", found.since)))


def renamed_option(command: str, option: str) -> str:
    """A sentence with the new option where a command had one of that name before, else ""."""
    return _write_the_new(_sentence(f"{command} {option}", OPTIONS.get((command, option))))


def renamed_asset(name: str) -> str:
    """A sentence with the new name where `name` is that of an asset of before, else ""."""
    return _sentence(name, ASSETS.get(name))


def _sentence(old: str, renamed: Renamed | None) -> str:
    return f"{old} was renamed {renamed.now} in {renamed.since}." if renamed else ""


def _write_the_new(sentence: str) -> str:
    return f"{sentence} Write the new name." if sentence else ""
