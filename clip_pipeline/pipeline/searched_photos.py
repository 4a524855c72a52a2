"""Photos found word by word through the search of the Unsplash API, live or in the sandbox."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import MissingKeyError
from clip_pipeline.pipeline.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from clip_pipeline.sources.fetch import PhotoFetcher
    from clip_pipeline.sources.unsplash import UnsplashClient


class SearchedPhotos:
    """Photos found word by word through the search of the Unsplash API, live or in the sandbox."""

    def __init__(self, workspace: Workspace):
        self.workspace, self.settings = workspace, workspace.recipe.links
        self.in_sandbox = self.settings.source == "sandbox"

    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "links.source": self.settings.source,
            "links.photos_per_word": self.settings.photos_per_word,
            "links.per_page": self.settings.per_page,
        }
        if self.in_sandbox:
            world = self.workspace.recipe.sandbox
            config |= {"sandbox.seed": world.seed, "sandbox.photos": world.photos}
        return config

    def identity(self) -> dict[str, str]:
        return {}

    def links(self, words: list[str], folder: Path, work: Path) -> tuple[int, dict[str, Any]]:
        import pyarrow.parquet as pq

        from clip_pipeline.images.search import search_words

        with self._client() as client:
            links, facts = search_words(words, client, self.settings.photos_per_word, folder / "pages.jsonl.gz", work)
        pq.write_table(links, folder / "links.parquet", compression="zstd")
        return len(links), facts

    def _client(self) -> UnsplashClient:
        from clip_pipeline.sources.unsplash import LIVE_API, UnsplashClient

        contact = self.workspace.recipe.download.contact
        if self.in_sandbox:
            from clip_pipeline.sandbox.server import SANDBOX_KEY

            base_url, key, hosts = "http://api.sandbox.test", SANDBOX_KEY, self.workspace.sandbox_hosts()
        else:
            base_url, key, hosts = LIVE_API, live_key(self.settings.accept_terms), {}
        return UnsplashClient(base_url, key, hosts, self.settings.per_page, self.settings.longest_wait, contact)

    def photos_without_word(self) -> Iterator[pa.Table]:
        return iter(())

    def fetcher(self) -> AbstractContextManager[PhotoFetcher]:
        from clip_pipeline.sources.fetch import PhotoFetcher

        hosts = self.workspace.sandbox_hosts() if self.in_sandbox else {}
        return PhotoFetcher(self.workspace.recipe.download, hosts)


def live_key(accept_terms: bool) -> str:
    """The key for the live API. Raises MissingKeyError when it, or the acknowledgement of the terms, is missing."""
    key = os.environ.get("UNSPLASH_ACCESS_KEY", "")
    if not key:
        raise MissingKeyError(
            "The live Unsplash API needs a key and none was found. Make one at unsplash.com/developers and set the "
            "environment variable UNSPLASH_ACCESS_KEY, or use links.source=sandbox, folder or url_list."
        )
    if not accept_terms:
        raise MissingKeyError(
            "The Unsplash API terms forbid automated data mining and model training without permission. Once you have "
            "it, set links.accept_terms=true; the Unsplash Dataset is the route that needs no permission."
        )
    return key
