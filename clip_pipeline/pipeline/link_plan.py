"""What the search for photos will cost, before it starts."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clip_pipeline.errors import SettingsError
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.workspace import Workspace

if TYPE_CHECKING:
    from clip_pipeline.pipeline.searched_photos import SearchedPhotos

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LinkPlan:
    """Requests of a whole vocabulary.

    words: of the vocabulary. searched: those that the plan searches. most: requests at most, without any that was made.
    answered: those of them that need not be made, since their pages are on the disk or the search is known to end
    before. limit: requests an hour. learned: whether the service or the settings told that. left: this hour. wait:
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


def make_link_plan(source: SearchedPhotos) -> LinkPlan:
    """The plan of the source's workspace. Sends nothing. Raises MissingArtifactError without a vocabulary."""
    plan = source.plan()
    answered = sum(_answered(source, f"{bucket:03d}") for bucket in range(source.settings.buckets))
    with source.ledger() as ledger:
        state = source.budget(ledger).state()
    return LinkPlan(
        words=source.workspace.get("vocabulary").rows["words"],
        searched=len(plan),
        most=sum(plan.values()),
        answered=answered,
        limit=state.limit,
        learned=state.learned,
        left=state.left,
        wait=state.wait,
    )


def _answered(source: SearchedPhotos, bucket: str) -> int:
    """Requests of a bucket that need not be made."""
    from clip_pipeline.images.search import CUT, ENDED, ENOUGH, read_page_index
    from clip_pipeline.images.search_pages import count_pages

    plan, workspace = source.bucket_plan(bucket), source.workspace
    kept = source.kept_pages(workspace.store.pieces_folder(artifact_key("image_links", bucket)))
    old = None if workspace.forced else source.pages_artifact(bucket)
    index = read_page_index(old.file("pages.tsv")) if old is not None else {}
    photos = old.manifest["config"].get("links.photos_per_word", 0) if old is not None else 0
    answered = 0
    for word, most in plan.items():
        pages, why_last = index.get(word, (0, CUT))
        done = why_last == ENDED or (why_last == ENOUGH and photos >= source.settings.photos_per_word)
        answered += most if done else min(max(pages, count_pages(kept, word)), most)
    return answered


def log_plan(source: SearchedPhotos) -> None:
    """Says once a workspace what is ahead, before the first word is searched."""
    source.workspace.remember("the search plan was told", lambda: _log(make_link_plan(source)))


def _log(plan: LinkPlan) -> bool:
    for name, value in plan_rows(plan):
        logger.info("%s: %s", name, value)
    return True


def plan_rows(plan: LinkPlan) -> list[tuple[str, str]]:
    """(name, value) of what a person wants to know."""
    from clip_pipeline.sources.budget import PRODUCTION_LIMIT
    from clip_pipeline.sources.unsplash import duration_text

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


def plan_table(workspace: Workspace) -> str:
    """The plan as text, one line a number. Raises SettingsError for a source that is not searched."""
    from clip_pipeline.pipeline.photo_source import photo_source
    from clip_pipeline.pipeline.searched_photos import SearchedPhotos

    source_name = workspace.recipe.links.source
    if source_name not in ("sandbox", "unsplash"):
        raise SettingsError(
            f"links.source is {source_name}, which makes no search, so there is no request to plan. "
            "Set links.source=unsplash to see what the search of your vocabulary costs."
        )
    source = photo_source(workspace)
    assert isinstance(source, SearchedPhotos)
    return "\n".join(f"{name:<26}{value}" for name, value in plan_rows(make_link_plan(source)))
