"""The runs that schedules and sensors ask for: each says in its tags for which recipe, folder and variant it is."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from clip_pipeline.defs.automation.damage import LOOK
from clip_pipeline.defs.walk import CHOICE
from clip_pipeline.settings.environment import data_folder, starting_recipe


def run_tags(variants: Sequence[str] = ()) -> dict[str, str]:
    """Tags of a run: the recipe and the data folder that the page is of, and the training variants that it is about."""
    tags = {"recipe": starting_recipe().name, "data_folder": str(data_folder().absolute())}
    return tags | ({"variant": ",".join(variants)} if variants else {})


def verify_request(run_key: str, **settings: Any) -> dg.RunRequest:
    """A run of the job that looks for damage. settings: as in its launchpad (`defs/automation/damage.py`)."""
    return dg.RunRequest(run_key=run_key, run_config={"ops": {LOOK: {"config": settings}}}, tags=run_tags())


def walk_request(
    run_key: str | None,
    select: str = "",
    variants: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    **choice: Any,
) -> dg.RunRequest:
    """A run of a job that walks: select and the rest as in its launchpad (`defs/walk.py`)."""
    asked = {"select": select, "variants": list(variants), **choice}
    config = {"ops": {CHOICE: {"config": {name: value for name, value in asked.items() if value}}}}
    return dg.RunRequest(run_key=run_key, run_config=config, tags={**run_tags(variants), **(tags or {})})
