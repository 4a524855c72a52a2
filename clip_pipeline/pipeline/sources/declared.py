"""The sources: declared once, as the assets are in `pipeline/declared/`."""

from __future__ import annotations

from collections.abc import Callable

from clip_pipeline.errors import ClipPipelineError
from clip_pipeline.pipeline.asset import Asset
from clip_pipeline.pipeline.photo_sources.registry import photo_source, source_class
from clip_pipeline.pipeline.photo_sources.searched import SearchedPhotos
from clip_pipeline.pipeline.sources.newest_dump import ask_newest_dump, known_newest_dump, stored_dump_date
from clip_pipeline.pipeline.sources.source import Source, SourceState
from clip_pipeline.pipeline.steps.words import REMOTE_DUMPS, own_dump_inputs
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.disk import hash_json

UNREADABLE = "unreadable"
"""The version of a source that cannot be read."""


def _said(look: Callable[[Workspace], SourceState]) -> Callable[[Workspace], SourceState]:
    """A source that cannot be read is a state too: what reads it says so when it is built."""

    def looked(workspace: Workspace) -> SourceState:
        try:
            return look(workspace)
        except ClipPipelineError as error:
            return SourceState(UNREADABLE, {"problem": str(error)})

    return looked


def _dump(workspace: Workspace) -> SourceState:
    settings = workspace.recipe.wikipedia
    if inputs := own_dump_inputs(workspace):
        place = settings.titles if settings.dump == "api" else settings.dump
        return SourceState(hash_json(inputs), {"files": len(inputs), "from": str(place)})
    shown = {"from": settings.dump, "wiki": settings.wiki, "date": settings.date}
    if settings.dump not in REMOTE_DUMPS or settings.dump == "api":
        return SourceState(settings.dump, shown)
    newest = known_newest_dump(workspace)
    shown["newest dump"] = newest or "the mirror was not asked yet"
    return SourceState(newest or stored_dump_date(workspace) or settings.date, shown)


def _photos(workspace: Workspace) -> SourceState:
    settings = workspace.recipe.links
    identity = photo_source(workspace).identity()
    shown = {"from": settings.source, "path": str(settings.path)} if identity else {"from": settings.source}
    return SourceState(hash_json(identity) if identity else f"search of {settings.source}", shown)


def _takedowns(workspace: Workspace) -> SourceState:
    takedowns = workspace.takedowns()
    version = "".join(takedowns.inputs().values()) or "nothing is taken down"
    return SourceState(version, {"photos taken down": len(takedowns.photos)})


def _budget(workspace: Workspace) -> SourceState:
    """What is left decides no artifact, so the version never changes; the numbers do, and the page draws them over time."""
    version = "decides no artifact"
    source = source_class(workspace.recipe)
    if not issubclass(source, SearchedPhotos):
        return SourceState(version, {"used": f"no, links.source is {source.name}"})
    photos = source(workspace)
    if not photos.ledger_path().exists():
        return SourceState(version, {"used": "no request was made yet"})
    with photos.ledger() as ledger:
        state = photos.budget(ledger).state()
    return SourceState(version, {"requests left": state.left, "requests an hour": state.limit, "used": state.used})


SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            name="wikipedia_dump_source",
            stage="words",
            about="Where the dump comes from: the newest one that the mirror has, or the files of yours that the recipe names.",
            kinds=("wikipedia",),
            look=_said(_dump),
            inputs=("the dump file", "the file of titles", "the newest dump"),
            ask=ask_newest_dump,
        ),
        Source(
            name="photo_source",
            stage="images",
            about="Where photos come from: a list, a folder or tars of yours with their contents, or the search.",
            kinds=("image",),
            look=_said(_photos),
            inputs=("your ",),
        ),
        Source(
            name="takedown_list",
            stage="images",
            about="takedowns.jsonl: photos that must not come back.",
            kinds=("json",),
            look=_said(_takedowns),
            inputs=("taken down",),
        ),
        Source(
            name="search_budget",
            stage="images",
            about="The requests that the search has left this hour, as the ledger counts them.",
            kinds=("sqlite",),
            look=_said(_budget),
        ),
    )
}
"""By name, in the order of the flow."""


def source_of(asset: Asset, input_name: str) -> str:
    """The source of the asset that an input of one of its artifacts belongs to, "" for an input that comes from an asset."""
    return next((name for name in asset.sources if input_name.startswith(SOURCES[name].inputs or ("\0",))), "")
