"""What the search for photos will cost, before it starts."""

from __future__ import annotations

import logging
from dataclasses import dataclass

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LinkPlan:
    """Requests of a whole vocabulary.

    words: of the vocabulary. searched: those that the plan searches. most: requests at most, without any that was made.
    answered: those of them that need not be made, since their pages are on the disk or the search is known to end
    before. limit: requests an hour. learned: whether the service or the settings said so. left: this hour. wait:
    seconds until the next may go.
    """

    words: int
    searched: int
    most: int
    answered: int
    limit: int
    learned: bool
    left: int
    wait: float

    @property
    def to_ask(self) -> int:
        return self.most - self.answered

    def seconds(self, limit: int) -> float:
        """Time for what is to be asked at `limit` requests an hour."""
        return self.to_ask / limit * 3600


def log_plan(plan: LinkPlan) -> None:
    """Says in the log what is ahead."""
    for name, value in plan_rows(plan):
        logger.info("%s: %s", name, value)


def plan_rows(plan: LinkPlan) -> list[tuple[str, str]]:
    """(name, value) of what a person wants to know."""
    from clip_pipeline.sources.unsplash.api_client import duration_text
    from clip_pipeline.sources.web.request_ledger import PRODUCTION_LIMIT

    limit = f"{plan.limit:,} an hour" + ("" if plan.learned else ", as for a new key, until the service tells it")
    left = f"{plan.left:,}" + (f", the next in {duration_text(plan.wait)}" if plan.wait else "")
    if not plan.to_ask:
        time = "nothing is to be asked"
    else:
        time = f"{plan.to_ask:,} requests at {plan.limit:,} an hour: {duration_text(plan.seconds(plan.limit))}"
    if plan.to_ask and plan.limit < PRODUCTION_LIMIT:
        time += f"; {duration_text(plan.seconds(PRODUCTION_LIMIT))} with a production key"
    return [
        ("words in the vocabulary", f"{plan.words:,}"),
        ("words searched", f"{plan.searched:,}"),
        ("requests at most", f"{plan.most:,}"),
        ("already answered", f"{plan.answered:,}"),
        ("limit", limit),
        ("left this hour", left),
        ("time at most", time),
    ]
