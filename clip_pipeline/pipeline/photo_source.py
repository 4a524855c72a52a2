"""The three ways to photos: a search (the sandbox or Unsplash), the user's own files, and a list of urls.

Each answers the same questions for the steps: which settings and files decide the links, what the links of some
words are, and what fetches a photo.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from clip_pipeline.disk import hash_json
from clip_pipeline.errors import PhotosError, SettingsError
from clip_pipeline.pipeline.searched_photos import SearchedPhotos
from clip_pipeline.pipeline.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from clip_pipeline.sources.fetch import PhotoFetcher

OWN_SOURCES = ("folder", "tars")
"""Sources whose photos are the user's own files."""


class PhotoSource(Protocol):
    """What a step asks of a source of photos."""

    def config(self) -> dict[str, Any]:
        """Settings that decide the links."""

    def identity(self) -> dict[str, str]:
        """Content hashes of the user's own files behind the source, by name; empty for a remote service."""

    def links(self, words: list[str], folder: Path, work: Path) -> tuple[pa.Table, dict[str, Any]]:
        """The IMAGE_LINKS rows of the words, and facts worth showing; raw answers go into `folder`."""

    def photos_without_word(self, links: list[pa.Table]) -> list[pa.Table]:
        """IMAGE_LINKS rows for photos of the user's own that no word describes: they are kept all the same."""

    def fetcher(self) -> AbstractContextManager[PhotoFetcher]:
        """What fetches the photos of this source."""


def photo_source(workspace: Workspace) -> PhotoSource:
    """The source that the recipe names."""
    source = workspace.recipe.links.source
    if source in ("sandbox", "unsplash"):
        return SearchedPhotos(workspace)
    return ListedPhotos(workspace)


class ListedPhotos:
    """Photos that the user lists: a folder with captions, webdataset tars, or a file of urls."""

    def __init__(self, workspace: Workspace):
        self.workspace, self.settings = workspace, workspace.recipe.links
        if not self.settings.path:
            raise SettingsError(
                f"links.source is {self.settings.source}, which needs links.path: where your photos are."
            )
        self.path = Path(self.settings.path).expanduser()
        if not self.path.exists():
            raise PhotosError(
                f"There is no {self.path} (links.path). Give the {self.settings.source} that holds your photos."
            )

    def config(self) -> dict[str, Any]:
        return {"links.source": self.settings.source}

    def identity(self) -> dict[str, str]:
        files = {"your photos": own_files_identity(self.workspace, self.path)}
        if self.settings.captions:
            files["your captions"] = own_files_identity(self.workspace, Path(self.settings.captions))
        for pair in filter(None, self.settings.splits.split(",")):
            name, _, path = pair.partition("=")
            files[f"your {name} split"] = own_files_identity(self.workspace, Path(path))
        return files

    def links(self, words: list[str], folder: Path, work: Path) -> tuple[pa.Table, dict[str, Any]]:
        from clip_pipeline.images.links import match_words

        photos = self._photos()
        links = match_words(photos, words)
        return links, {"photos listed": len(photos)}

    def photos_without_word(self, links: list[pa.Table]) -> list[pa.Table]:
        from clip_pipeline.images.links import links_without_word

        linked = {photo_id for table in links for photo_id in table["id"].to_pylist()}
        return [links_without_word(self._photos(), linked)]

    def _photos(self) -> pa.Table:
        return self.workspace.remember("listed photos", self._list_photos)

    def _list_photos(self) -> pa.Table:
        source = self.settings.source
        if source == "folder":
            from clip_pipeline.sources.folder import list_folder_photos

            return list_folder_photos(self.path, self.settings.captions, self.settings.splits)
        if source == "tars":
            from clip_pipeline.sources.tars import list_tar_photos

            return list_tar_photos(self.path)
        from clip_pipeline.sources.url_list import read_url_list

        return read_url_list(self.path)

    def fetcher(self) -> AbstractContextManager[PhotoFetcher]:
        from clip_pipeline.sources.fetch import PhotoFetcher

        root = self.path if self.settings.source in OWN_SOURCES else None
        return PhotoFetcher(self.workspace.recipe.download, {}, root)


def own_files_identity(workspace: Workspace, path: Path) -> str:
    """A hash that changes when a file at or below `path` does: of contents for a file, of names, sizes and times for a folder.

    Raises PhotosError when there is nothing at `path`.
    """
    path = path.expanduser()
    if path.is_file():
        return workspace.store.hash_own_file(path)
    if not path.is_dir():
        raise PhotosError(f"There is no file or folder {path}. Check the setting that names it.")
    return workspace.remember(f"identity of {path}", lambda: _folder_identity(path))


def _folder_identity(folder: Path) -> str:
    entries = []
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            file = Path(parent, name)
            stat = file.stat()
            entries.append([file.relative_to(folder).as_posix(), stat.st_size, stat.st_mtime_ns])
    return hash_json(entries)
