"""The search of the live Unsplash API."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from clip_pipeline.errors import MissingKeyError
from clip_pipeline.pipeline.photo_sources.searched import SearchedPhotos, SearchService
from clip_pipeline.pipeline.workspace import Hosts
from clip_pipeline.storage.manifest import Artifact

if TYPE_CHECKING:
    from clip_pipeline.sources.unsplash.api_client import UnsplashClient

KEY_VARIABLE = "UNSPLASH_ACCESS_KEY"


class UnsplashPhotos(SearchedPhotos):
    """Photos of Unsplash, with a key of the user's own."""

    name = "unsplash"
    wants_reports = True

    def service(self) -> SearchService:
        from clip_pipeline.sources.unsplash.api_client import LIVE_API

        return SearchService(LIVE_API, live_key(self.settings.accept_terms), self.hosts())

    def hosts(self) -> Hosts:
        return self.workspace.stand_ins

    def budget_key(self) -> str:
        return os.environ.get(KEY_VARIABLE, "").strip()

    def report_downloads(self, shard: Artifact) -> None:
        """Tells Unsplash of each photo of a finished shard, once for ever, with the requests that are left now.

        What cannot be reported now is reported by a later run. Nothing that goes wrong here harms the shard.
        """
        from clip_pipeline.images.download.unsplash_reports import report_downloads

        if not self.settings.count_downloads:
            return

        def connect() -> AbstractContextManager[UnsplashClient]:
            return self.client(max_wait=0.0)

        with self.ledger() as ledger:
            report_downloads(shard.file(f"{shard.key.partition}.parquet"), connect, ledger)


def live_key(accept_terms: bool) -> str:
    """The key for the live API. Raises MissingKeyError when it, or the acknowledgement of the terms, is missing."""
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key:
        raise MissingKeyError(
            "The live Unsplash API needs a key and none was found. Make one at unsplash.com/developers and set the "
            "environment variable UNSPLASH_ACCESS_KEY, or use links.source=sandbox, folder or url_list."
        )
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise MissingKeyError(
            "UNSPLASH_ACCESS_KEY holds something else than a key: letters, digits, - and _ were expected. Copy the one "
            "called Access Key at unsplash.com/oauth/applications."
        )
    if not accept_terms:
        raise MissingKeyError(
            "The Unsplash API terms forbid automated data mining and model training without permission. Once you have "
            "it, set links.accept_terms=true; the Unsplash Dataset is the route that needs no permission."
        )
    return key
