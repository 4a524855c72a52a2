"""Puts assets, checks, jobs, schedules, sensors and resources together."""

import dagster as dg

from clip_pipeline.defs.assets import adaptation, embedding, evaluation, images, text, training, words
from clip_pipeline.defs.checks import CHECKS
from clip_pipeline.defs.jobs import JOBS
from clip_pipeline.defs.resources import launch_resources
from clip_pipeline.defs.schedules import SCHEDULES
from clip_pipeline.defs.sensors import SENSORS


def build_definitions() -> dg.Definitions:
    """Everything Dagster needs to know, for the recipe of the environment variables."""
    return dg.Definitions(
        assets=dg.load_assets_from_modules([words, images, text, training, embedding, evaluation, adaptation]),
        asset_checks=CHECKS,
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=SENSORS,
        resources=launch_resources(),
    )
