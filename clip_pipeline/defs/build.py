"""Puts assets, checks, jobs, schedules, sensors and resources together."""

import dagster as dg

from clip_pipeline.defs.asset import pipeline_asset
from clip_pipeline.defs.automation.schedules import SCHEDULES
from clip_pipeline.defs.automation.sensors import SENSORS
from clip_pipeline.defs.automation.sources import SOURCE_ASSETS
from clip_pipeline.defs.checks import CHECKS
from clip_pipeline.defs.jobs import JOBS
from clip_pipeline.defs.mirror.database import write_without_waiting
from clip_pipeline.defs.resources import launch_resources
from clip_pipeline.pipeline.graph import STEPS


def build_definitions() -> dg.Definitions:
    """Everything Dagster needs to know, for the recipe of the environment variables."""
    write_without_waiting()
    return dg.Definitions(
        assets=[*SOURCE_ASSETS, *(pipeline_asset(step) for step in STEPS.values())],
        asset_checks=CHECKS,
        jobs=JOBS,
        schedules=SCHEDULES,
        sensors=SENSORS,
        resources=launch_resources(),
        # A run is one process: killed, it leaves no step behind; its assets take turns anyway, for each uses all cores.
        executor=dg.in_process_executor,
    )
