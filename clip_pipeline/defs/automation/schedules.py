"""The schedules. All are stopped until someone turns them on: they use the network or the accelerator for hours.

Each run goes through to the end of its part of the flow, and what is fresh is a hit. docs/dagster.md says what each costs.
"""

import dagster as dg

from clip_pipeline.defs.automation.run_requests import verify_request, walk_request
from clip_pipeline.defs.jobs import refresh_links, refresh_words, train, verify_data
from clip_pipeline.defs.page.sentences import page_sentence
from clip_pipeline.defs.resources import page_workspace
from clip_pipeline.errors import ClipPipelineError
from clip_pipeline.pipeline.partitions import variant_names

STOPPED = dg.DefaultScheduleStatus.STOPPED

NIGHTLY_PERCENT = 3.0
"""Of the bytes that are read each night: all but a third of them in the course of 36 nights."""


# Wikimedia publishes dumps from the 1st and the 20th of the month on; a few days later they are complete.
@dg.schedule(
    job=refresh_words,
    cron_schedule="0 3 5 * *",
    default_status=STOPPED,
    description="On the 5th of each month at 3:00: asks the mirror for a newer dump; words, links, photos and pairs follow.",
)
def monthly_words(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """A run a month."""
    return walk_request(_key(context), newest=True)


@dg.schedule(
    job=refresh_links,
    cron_schedule="0 3 7 * *",
    default_status=STOPPED,
    description="On the 7th of each month at 3:00: searches the words that were never asked for; photos and pairs follow.",
)
def monthly_links(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """A run a month. What was answered before is not asked again, see decision 0024."""
    return walk_request(_key(context))


@dg.schedule(
    job=train,
    cron_schedule="0 22 * * 5",
    default_status=STOPPED,
    description="On Fridays at 22:00: trains each variant whose settings or photos changed.",
)
def weekly_training(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """A run a variant, so that one that fails stops no other; one that is fresh is a hit."""
    try:
        with page_workspace() as workspace:
            names = variant_names(workspace)
    except ClipPipelineError as error:
        return dg.SkipReason(page_sentence(error))
    return [walk_request(f"{_key(context)} {name}", variants=[name]) for name in names]


@dg.schedule(
    job=verify_data,
    cron_schedule="30 1 * * *",
    default_status=STOPPED,
    description=f"Each night at 1:30: looks for damage, and reads {NIGHTLY_PERCENT:g} % of the bytes, each night others.",
)
def nightly_sample(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """A run a night. The seed is its date, so that a run that is repeated reads the same files."""
    seed = int(f"{context.scheduled_execution_time:%Y%m%d}")
    return verify_request(_key(context), sample=NIGHTLY_PERCENT, seed=seed)


@dg.schedule(
    job=verify_data,
    cron_schedule="0 2 * * 0",
    default_status=STOPPED,
    description="On Sundays at 2:00: reads all bytes of the data folder. Hours of a disk for a terabyte.",
)
def weekly_deep_look(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """A run a week."""
    return verify_request(_key(context), deep=True)


def _key(context: dg.ScheduleEvaluationContext) -> str:
    return f"{context.scheduled_execution_time:%Y-%m-%d %H:%M}"


SCHEDULES = [monthly_words, monthly_links, weekly_training, nightly_sample, weekly_deep_look]
