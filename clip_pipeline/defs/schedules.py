"""Monthly words and links. Both are stopped until someone turns them on: they use the network."""

import dagster as dg

from clip_pipeline.defs.jobs import refresh_links, refresh_words

# Wikimedia publishes dumps from the 1st and the 20th of the month on; a few days later they are complete.
monthly_words = dg.ScheduleDefinition(
    name="monthly_words", job=refresh_words, cron_schedule="0 3 5 * *", default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Counts the newest dump on the 5th of each month at 3:00.",
)  # fmt: skip
monthly_links = dg.ScheduleDefinition(
    name="monthly_links", job=refresh_links, cron_schedule="0 3 7 * *", default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Searches the photos of every word again on the 7th of each month at 3:00.",
)  # fmt: skip

SCHEDULES = [monthly_words, monthly_links]
