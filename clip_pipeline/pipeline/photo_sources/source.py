"""What the steps ask of a source of photos, and what most sources answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.manifest import Artifact

if TYPE_CHECKING:
    import pyarrow as pa

    from clip_pipeline.sources.fetch import PhotoFetcher


class PhotoSource(ABC):
    """One of the values of `links.source`."""

    name: ClassVar[str]
    """As links.source names it."""
    photos_are_user_files: ClassVar[bool] = False
    """Whether the photos lie in the user's own files, so that shards depend on them."""
    owner_knows_licences: ClassVar[bool] = False
    """Whether only the user can say under which licence the photos are."""

    wants_reports: ClassVar[bool] = False
    """Whether the service wants a report of each photo that was taken."""

    def __init__(self, workspace: Workspace):
        self.workspace, self.settings = workspace, workspace.recipe.links

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Settings that decide the links."""

    @abstractmethod
    def word_inputs(self, bucket: str) -> dict[str, str]:
        """Hashes of what the vocabulary says for one bucket, by name."""

    @abstractmethod
    def links(
        self, words: list[str], bucket: str, folder: Path, work: Path, forced: bool, first: bool
    ) -> tuple[int, dict[str, Any]]:
        """Writes folder/links.parquet, the IMAGE_LINKS rows of the words; raw answers go into `folder` too.

        work, forced, first: as in `BuildContext`. Returns the number of links, and facts worth showing."""

    @abstractmethod
    def fetcher(self) -> AbstractContextManager[PhotoFetcher]:
        """What fetches the photos of this source."""

    def identity(self) -> dict[str, str]:
        """Content hashes of the user's own files behind the source, by name; empty for a remote service."""
        return {}

    def photos_without_word(self) -> Iterator[pa.Table]:
        """IMAGE_LINKS rows for photos of the user's own that no word describes: they are kept all the same."""
        return iter(())

    def check(self) -> None:  # noqa: B027 (most sources have nothing to look at)
        """A quick look at the user's own photos, so that a wrong path or captions elsewhere are said before the words are
        counted. Raises PhotosError, CaptionsError."""

    def report_downloads(self, shard: Artifact) -> None:  # noqa: B027 (most services want no reports)
        """Tells the service of each photo of a finished shard that it was taken. Changes no artifact."""
