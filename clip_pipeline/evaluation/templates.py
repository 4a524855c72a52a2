"""Prompts around a class name, in sets: the dataset's own, and two that other people's figures were made with.

Several sets are scored side by side (`evaluation.templates`), since a score without its prompts cannot be compared.
"""

from __future__ import annotations

from collections.abc import Sequence

from clip_pipeline.errors import SettingsError, nearest_name
from clip_pipeline.evaluation.open_clip_prompts import open_clip_prompts

OWN = "own"
"""The set that a dataset brings itself, or the general one for a dataset that brings none."""

KINDS = (
    "a photo of {article} {c}.",
    "a blurry photo of {article} {c}.",
    "a black and white photo of {article} {c}.",
    "a low contrast photo of {article} {c}.",
    "a high contrast photo of {article} {c}.",
    "a bad photo of {article} {c}.",
    "a good photo of {article} {c}.",
    "a photo of {article} small {c}.",
    "a photo of {article} big {c}.",
)
CIFAR_18 = tuple(kind.replace("{article}", article) for article in ("a", "the") for kind in KINDS)
"""The 18 prompts that CLIP's authors used on CIFAR-10 and CIFAR-100, and low-resource CLIP on all its datasets."""


def imagenet_80() -> tuple[str, ...]:
    """The 80 prompts that CLIP's authors used on ImageNet, as open_clip holds them."""
    return tuple(template("{c}") for template in open_clip_prompts().OPENAI_IMAGENET_TEMPLATES)


SETS = {OWN: None, "cifar18": lambda: CIFAR_18, "imagenet80": imagenet_80}


def template_sets(names: str, own: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """name -> templates, for a list of names separated by commas. own: the dataset's.

    Raises SettingsError for a name that there is not, or for none.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in filter(None, (part.strip() for part in names.split(","))):
        if name not in SETS:
            raise SettingsError(f'evaluation.templates names the set "{name}". {nearest_name(name, SETS)}')
        make = SETS[name]
        found[name] = tuple(own) if make is None else make()
    if not found:
        raise SettingsError(f"evaluation.templates names no set. Give one or several of {', '.join(SETS)}.")
    return found
