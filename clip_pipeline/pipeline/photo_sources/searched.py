"""Photos found word by word through the search of the Unsplash API, live or in the sandbox."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import MissingKeyError
from clip_pipeline.pipeline.photo_sources.link_plan import LinkPlan, log_plan
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.artifacts import Artifact, shared_pieces
from clip_pipeline.storage.disk import hash_json

if TYPE_CHECKING:
    import pyarrow as pa

    from clip_pipeline.sources.fetch import PhotoFetcher
    from clip_pipeline.sources.unsplash.api_client import UnsplashClient
    from clip_pipeline.sources.web.request_ledger import Budget, RequestLedger

logger = logging.getLogger(__name__)

SEARCHED_SOURCES = ("sandbox", "unsplash")
SANDBOX_API = "http://api.sandbox.test"
KEY_VARIABLE = "UNSPLASH_ACCESS_KEY"


class SearchedPhotos:
    """Photos found word by word through the search of the Unsplash API, live or in the sandbox."""

    def __init__(self, workspace: Workspace):
        self.workspace, self.settings = workspace, workspace.recipe.links
        self.in_sandbox = self.settings.source == "sandbox"

    # ---- what decides the links

    def config(self) -> dict[str, Any]:
        """Settings that decide the links. `links.max_requests` decides them through the plan, which is an input."""
        return self.query_config() | {"links.photos_per_word": self.settings.photos_per_word}

    def query_config(self) -> dict[str, Any]:
        """Settings that decide what a page of the search holds."""
        config: dict[str, Any] = {"links.source": self.settings.source, "links.per_page": self.settings.per_page}
        if self.in_sandbox:
            world = self.workspace.recipe.sandbox
            config |= {"sandbox.seed": world.seed, "sandbox.photos": world.photos}
        return config

    def identity(self) -> dict[str, str]:
        return {}

    def word_inputs(self, bucket: str) -> dict[str, str]:
        """A hash of the bucket's words and the pages that each may take: nothing else of the vocabulary matters to it."""
        return {f"planned words of {bucket}": hash_json(sorted(self.bucket_plan(bucket).items()))}

    def plan(self) -> dict[str, int]:
        """Word -> most pages, the most useful word first, for all words that are searched."""
        return {word: pages for plan in self._plans().values() for word, pages in plan.items()}

    def bucket_plan(self, bucket: str) -> dict[str, int]:
        """The words of one bucket that are searched, as in `plan`."""
        return self._plans().get(bucket, {})

    def _plans(self) -> dict[str, dict[str, int]]:
        vocabulary = self.workspace.get("vocabulary")
        return self.workspace.remember(f"search plan {vocabulary.content}", lambda: self._make_plans(vocabulary))

    def _make_plans(self, vocabulary: Artifact) -> dict[str, dict[str, int]]:
        from clip_pipeline.images.links.listed import bucket_of
        from clip_pipeline.images.links.search_plan import plan_requests

        settings = self.settings
        words = vocabulary.file("words.txt").read_text(encoding="utf-8").splitlines()
        plans: dict[str, dict[str, int]] = {}
        plan = plan_requests(words, settings.photos_per_word, settings.per_page, settings.max_requests)
        for word, pages in plan.items():
            plans.setdefault(f"{bucket_of(word, settings.buckets):03d}", {})[word] = pages
        return plans

    def link_plan(self) -> LinkPlan:
        """What is ahead. Sends nothing. Raises MissingArtifactError without a vocabulary."""
        plan = self.plan()
        answered = sum(self._answered(f"{bucket:03d}") for bucket in range(self.settings.buckets))
        with self.ledger() as ledger:
            state = self.budget(ledger).state()
        return LinkPlan(
            words=self.workspace.get("vocabulary").rows["words"],
            searched=len(plan),
            most=sum(plan.values()),
            answered=answered,
            limit=state.limit,
            learned=state.learned,
            left=state.left,
            wait=state.wait,
        )

    def _answered(self, bucket: str) -> int:
        """Requests of a bucket that need not be made."""
        from clip_pipeline.images.links.search_pages import count_pages
        from clip_pipeline.images.links.searched import CUT, ENDED, ENOUGH, read_page_index

        kept = self.kept_pages(self.workspace.store.pieces_folder(artifact_key("image_links", bucket)))
        old = None if self.workspace.forced else self.pages_artifact(bucket)
        index = read_page_index(old.file("pages.tsv")) if old is not None else {}
        photos = old.manifest["config"].get("links.photos_per_word", 0) if old is not None else 0
        answered = 0
        for word, most in self.bucket_plan(bucket).items():
            pages, why_last = index.get(word, (0, CUT))
            done = why_last == ENDED or (why_last == ENOUGH and photos >= self.settings.photos_per_word)
            answered += most if done else min(max(pages, count_pages(kept, word)), most)
        return answered

    # ---- the search

    def links(self, words: list[str], folder: Path, work: Path, bucket: str) -> tuple[int, dict[str, Any]]:
        from clip_pipeline.images.links.searched import keep_known_pages, search_words

        # Once a workspace, before the first word is searched.
        self.workspace.remember("the search plan was told", lambda: log_plan(self.link_plan()))
        plan, kept = self.bucket_plan(bucket), self.kept_pages(work.parent)
        kept.mkdir(exist_ok=True)
        old = None if self.workspace.forced else self.pages_artifact(bucket)
        if old is not None:
            keep_known_pages(old.file("pages.jsonl.gz"), plan, kept)
        # Entering is cheap; the connection to the service is made at the first page that is not on the disk.
        with self.client() as client:
            links, facts = search_words(plan, client, self.settings.photos_per_word, folder, kept)
        return links, {"words searched": len(plan), **facts}

    def kept_pages(self, pieces: Path) -> Path:
        """Where pages lie that came before a stop: for all settings under which they would be the same."""
        return shared_pieces(pieces, hash_json(self.query_config())[:16])

    def pages_artifact(self, bucket: str) -> Artifact | None:
        """The bucket as it was built before, where its pages are answers to the same queries."""
        old = self.workspace.store.find(artifact_key("image_links", bucket))
        if old is None or not {"pages.jsonl.gz", "pages.tsv"} <= old.manifest["files"].keys():
            return None
        same = all(old.manifest["config"].get(name) == value for name, value in self.query_config().items())
        return old if same else None

    # ---- the service

    def ledger_path(self) -> Path:
        """The file that counts the requests."""
        if self.settings.ledger:
            return Path(self.settings.ledger).expanduser()
        return self.workspace.store.root / ".ledger" / "requests.sqlite"

    @contextmanager
    def ledger(self) -> Iterator[RequestLedger]:
        """The open ledger."""
        from clip_pipeline.sources.web.request_ledger import RequestLedger

        ledger = RequestLedger(self.ledger_path())
        try:
            yield ledger
        finally:
            ledger.close()

    def budget_key(self) -> str:
        """What the ledger counts by: the access key, or the sandbox of this run, each of which has an hour of its own."""
        if self.in_sandbox:
            return self.workspace.remember("sandbox budget", lambda: f"sandbox {secrets.token_hex(8)}")
        return os.environ.get(KEY_VARIABLE, "").strip()

    def budget(self, ledger: RequestLedger) -> Budget:
        """The requests of the access key."""
        from clip_pipeline.sandbox.unsplash import REQUESTS_PER_HOUR

        known = self.settings.requests_per_hour or (REQUESTS_PER_HOUR if self.in_sandbox else 0)
        return ledger.budget(self.budget_key(), known)

    @contextmanager
    def client(self, max_wait: float | None = None) -> Iterator[UnsplashClient]:
        """The API with its budget. max_wait: seconds, instead of the setting's."""
        from clip_pipeline.sources.unsplash.api_client import LIVE_API, UnsplashClient

        settings = self.settings
        if self.in_sandbox:
            from clip_pipeline.sandbox.server import SANDBOX_KEY

            base_url, key, hosts = SANDBOX_API, SANDBOX_KEY, self.workspace.sandbox_hosts()
        else:
            base_url, key, hosts = LIVE_API, live_key(settings.accept_terms), self.workspace.stand_ins
        wait = settings.max_wait if max_wait is None else max_wait
        contact = self.workspace.recipe.download.contact
        with self.ledger() as ledger:
            budget = self.budget(ledger)
            with UnsplashClient(base_url, key, hosts, budget, settings.per_page, wait, contact) as client:
                yield client

    def photos_without_word(self) -> Iterator[pa.Table]:
        return iter(())

    def fetcher(self) -> AbstractContextManager[PhotoFetcher]:
        from clip_pipeline.sources.fetch import PhotoFetcher

        hosts = self.workspace.sandbox_hosts() if self.in_sandbox else self.workspace.stand_ins
        return PhotoFetcher(self.workspace.recipe.download, hosts)

    # ---- downloads told to the service

    def tell_downloads(self, shard: Artifact) -> None:
        """Tells Unsplash of each photo of a finished shard, once for ever, with the requests that are left now.

        What cannot be told now is told by a later run. Nothing that goes wrong here harms the shard.
        """
        from clip_pipeline.images.download.unsplash_reports import tell_downloads

        if self.in_sandbox or not self.settings.count_downloads:
            return
        table = shard.file(f"{shard.key.partition}.parquet")

        def connect() -> AbstractContextManager[UnsplashClient]:
            return self.client(max_wait=0.0)

        with self.ledger() as ledger:
            tell_downloads(table, connect, ledger)


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
