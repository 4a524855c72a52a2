"""How old what comes from elsewhere may grow before the page says so. What is made of one's own files has no age: it is stale or not.

Dagster measures from the last materialisation, so the policies stand on the first asset that holds what a service gave, not on the
source, which is never materialised.
"""

from datetime import timedelta

import dagster as dg

from clip_pipeline.settings import Recipe

DUMP_WARN, DUMP_FAIL = timedelta(days=45), timedelta(days=75)
"""Wikimedia publishes a dump twice a month; `monthly_words` fetches one a month."""

LINKS_WARN, LINKS_FAIL = timedelta(days=45), timedelta(days=120)
"""A search finds other photos each month, but what is known is not asked again: old links are no error for long."""


def freshness_policy(asset: str, recipe: Recipe) -> dg.FreshnessPolicy | None:
    """The policy of an asset under a recipe; None where nothing elsewhere can grow newer than it."""
    wikipedia = recipe.wikipedia
    if asset == "wikipedia_dump" and wikipedia.dump == "mirror" and wikipedia.date == "latest":
        return dg.FreshnessPolicy.time_window(fail_window=DUMP_FAIL, warn_window=DUMP_WARN)
    if asset == "image_links" and recipe.links.source == "unsplash":
        return dg.FreshnessPolicy.time_window(fail_window=LINKS_FAIL, warn_window=LINKS_WARN)
    return None
