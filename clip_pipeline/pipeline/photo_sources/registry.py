"""The sources of photos by the name that `links.source` gives them."""

from __future__ import annotations

from clip_pipeline.errors import SettingsError
from clip_pipeline.pipeline.photo_sources.folder import FolderPhotos
from clip_pipeline.pipeline.photo_sources.link_plan import LinkPlan
from clip_pipeline.pipeline.photo_sources.sandbox import SandboxPhotos
from clip_pipeline.pipeline.photo_sources.searched import SearchedPhotos
from clip_pipeline.pipeline.photo_sources.source import PhotoSource
from clip_pipeline.pipeline.photo_sources.tars import TarPhotos
from clip_pipeline.pipeline.photo_sources.unsplash import UnsplashPhotos
from clip_pipeline.pipeline.photo_sources.unsplash_dataset import UnsplashDatasetPhotos
from clip_pipeline.pipeline.photo_sources.url_list import UrlListPhotos
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe

SOURCES: dict[str, type[PhotoSource]] = {
    source.name: source
    for source in (SandboxPhotos, UnsplashPhotos, UnsplashDatasetPhotos, FolderPhotos, TarPhotos, UrlListPhotos)
}


def source_class(recipe: Recipe) -> type[PhotoSource]:
    """The class of the source that the recipe names: what is known of it before there is anything at its place."""
    return SOURCES[recipe.links.source]


def photo_source(workspace: Workspace) -> PhotoSource:
    """The source that the recipe names. Raises SettingsError, PhotosError where the user's own photos are not there."""
    return source_class(workspace.recipe)(workspace)


def search_plan(workspace: Workspace) -> LinkPlan:
    """What the search ahead costs. Sends nothing. Raises SettingsError for a source that is not searched."""
    source = source_class(workspace.recipe)
    if not issubclass(source, SearchedPhotos):
        raise SettingsError(
            f"links.source is {source.name}, which makes no search, so there is no request to plan. "
            "Set links.source=unsplash to see what the search of your vocabulary costs."
        )
    return source(workspace).link_plan()
