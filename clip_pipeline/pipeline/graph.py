"""All steps in the order of the flow, and the choice of some of them."""

from __future__ import annotations

from clip_pipeline.errors import SettingsError, nearest_name
from clip_pipeline.pipeline.stages import ASSETS, STAGES
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.steps import report

STEPS: dict[str, Step] = {
    step.asset: step
    for step in sorted([*report.STEPS_BEFORE, *report.STEPS], key=lambda step: ASSETS.index(step.asset))
}


def select(expression: str) -> list[Step]:
    """The steps that an expression names, in the order of the flow; all of them for an empty one.

    Names are separated by commas. `+name` adds everything before it, `name+` everything after it; the name of a stage
    stands for its assets. Steps that run on request must be named themselves. Raises SettingsError for an unknown name, with the nearest right one.
    """
    chosen: set[str] = set()
    for word in filter(None, (part.strip() for part in expression.split(","))):
        name = word.strip("+")
        if name not in STEPS and name not in STAGES:
            raise SettingsError(f'There is no asset "{name}". {nearest_name(name, [*STEPS, *STAGES])}')
        named = {asset for asset in STAGES[name] if not STEPS[asset].on_request} if name in STAGES else {name}
        chosen |= named
        if word.startswith("+"):
            chosen |= _all_before(named)
        if word.endswith("+"):
            chosen |= _all_after(named)
    if not expression.strip():
        return [step for step in STEPS.values() if not step.on_request]
    return [step for asset, step in STEPS.items() if asset in chosen]


def _all_before(assets: set[str]) -> set[str]:
    before = {above for asset in assets for above in STEPS[asset].after}
    return before | _all_before(before) if before else before


def _all_after(assets: set[str]) -> set[str]:
    after = {asset for asset, step in STEPS.items() if assets & set(step.after) and not step.on_request}
    return after | _all_after(after) if after else after
