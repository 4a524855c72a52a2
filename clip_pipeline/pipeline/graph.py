"""All steps in the order of the flow, and the choice of some of them."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from clip_pipeline.errors import SettingsError, nearest_name
from clip_pipeline.pipeline.asset import Asset
from clip_pipeline.pipeline.assets import ASSETS
from clip_pipeline.pipeline.builder import Builder
from clip_pipeline.pipeline.stages import STAGES
from clip_pipeline.pipeline.step import Step
from clip_pipeline.version import renamed_asset


def make_steps(assets: Iterable[Asset]) -> dict[str, Step]:
    """The step of each declared asset, with the builder that its file of `steps/` gives under its name."""
    return {asset.name: Step(asset, _builders(asset.steps or asset.stage)[asset.name]) for asset in assets}


def _builders(file: str) -> dict[str, Builder]:
    return importlib.import_module(f"clip_pipeline.pipeline.steps.{file}").BUILDERS


STEPS: dict[str, Step] = make_steps(ASSETS)


def select(expression: str) -> list[Step]:
    """The steps that an expression names, in the order of the flow; all of them for an empty one.

    Names are separated by commas. `+name` adds everything before it, `name+` everything after it; the name of a stage
    stands for its assets. Steps that run on request must be named themselves. Raises SettingsError for an unknown name, with the
    new name of an asset that was renamed or the nearest right one.
    """
    chosen: set[str] = set()
    for word in filter(None, (part.strip() for part in expression.split(","))):
        name = word.strip("+")
        if name not in STEPS and name not in STAGES:
            hint = renamed_asset(name) or nearest_name(name, [*STEPS, *STAGES])
            raise SettingsError(f'There is no asset "{name}". {hint}')
        named = {asset for asset in STAGES[name] if not STEPS[asset].asset.on_request} if name in STAGES else {name}
        chosen |= named
        if word.startswith("+"):
            chosen |= _all_before(named)
        if word.endswith("+"):
            chosen |= _all_after(named)
    if not expression.strip():
        return [step for step in STEPS.values() if not step.asset.on_request]
    return [step for name, step in STEPS.items() if name in chosen]


def _all_before(assets: set[str]) -> set[str]:
    before = {above for asset in assets for above in STEPS[asset].asset.after}
    return before | _all_before(before) if before else before


def _all_after(assets: set[str]) -> set[str]:
    after = {name for name, step in STEPS.items() if assets & set(step.asset.after) and not step.asset.on_request}
    return after | _all_after(after) if after else after
