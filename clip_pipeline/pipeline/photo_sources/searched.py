"""Photos found word by word through the search of the Unsplash API: what the live service and the sandbox share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.pipeline.partitions import bucket_keys
from clip_pipeline.pipeline.photo_sources.link_plan import LinkPlan, log_plan
from clip_pipeline.pipeline.photo_sources.source import PhotoSource
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.workspace import Hosts
from clip_pipeline.settings import LinksSettings
from clip_pipeline.storage.disk import hash_json
from clip_pipeline.storage.freshness import wrong_file
from clip_pipeline.storage.manifest import Artifact
from clip_pipeline.storage.scratch import shared_pieces

if TYPE_CHECKING:
    from clip_pipeline.sources.fetch import PhotoFetcher
    from clip_pipeline.sources.unsplash.api_client import UnsplashClient
    from clip_pipeline.sources.web.request_ledger import Budget, RequestLedger


PAGES = ("pages.jsonl.gz", "pages.tsv")
"""Files of a bucket with the answers of the service."""


@dataclass(frozen=True)
class SearchService:
    """Where the search is. api: its base url. key: the access key. hosts: addresses to use in place of those that names lead to."""

    api: str
    key: str
    hosts: Hosts


class SearchedPhotos(PhotoSource):
    """Photos found word by word; every page is asked for once, within the requests that the access key has."""

    @abstractmethod
    def service(self) -> SearchService:
        """The service to ask. Raises MissingKeyError."""

    @abstractmethod
    def hosts(self) -> Hosts:
        """Addresses to use for photos in place of those that names lead to."""

    @abstractmethod
    def budget_key(self) -> str:
        """What the ledger counts requests by."""

    def requests_per_hour(self) -> int:
        """Requests that the key has an hour; 0 where only the service can tell."""
        return self.settings.requests_per_hour

    # ---- what decides the links

    def config(self) -> dict[str, Any]:
        """Settings that decide the links. `links.max_requests` decides them through the plan, which is an input."""
        return self.query_config() | {"links.photos_per_word": self.settings.photos_per_word}

    def query_config(self) -> dict[str, Any]:
        """Settings that decide what a page of the search holds."""
        return {"links.source": self.name, "links.per_page": self.settings.per_page}

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
        return _plans_of(vocabulary.file("words.txt"), vocabulary.file_hash("words.txt"), self.settings)

    def link_plan(self, forced: bool = False) -> LinkPlan:
        """What is ahead; forced: where every page is asked for again. Sends nothing. Raises MissingArtifactError without a vocabulary."""
        plan = self.plan()
        answered = sum(self._answered(bucket, forced) for bucket in bucket_keys(self.workspace.recipe))
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

    def _answered(self, bucket: str, forced: bool) -> int:
        """Requests of a bucket that need not be made."""
        from clip_pipeline.images.links.search_pages import count_pages
        from clip_pipeline.images.links.searched import CUT, ENDED, ENOUGH, read_page_index

        kept = self.kept_pages(self.workspace.store.pieces_folder(artifact_key("image_links", bucket)))
        old = None if forced else self.pages_artifact(bucket)
        index = read_page_index(old.file("pages.tsv")) if old is not None else {}
        photos = old.manifest["config"].get("links.photos_per_word", 0) if old is not None else 0
        answered = 0
        for word, most in self.bucket_plan(bucket).items():
            pages, why_last = index.get(word, (0, CUT))
            done = why_last == ENDED or (why_last == ENOUGH and photos >= self.settings.photos_per_word)
            answered += most if done else min(max(pages, count_pages(kept, word)), most)
        return answered

    # ---- the search

    def links(
        self, words: list[str], bucket: str, folder: Path, work: Path, forced: bool, first: bool
    ) -> tuple[int, dict[str, Any]]:
        from clip_pipeline.images.links.searched import keep_known_pages, search_words

        if first:
            log_plan(self.link_plan(forced))
        plan, kept = self.bucket_plan(bucket), self.kept_pages(work.parent)
        kept.mkdir(exist_ok=True)
        old = None if forced else self.pages_artifact(bucket)
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
        """The bucket as it was built before, where its pages are answers to the same queries, and whole. Pages cost requests, so
        those of an artifact that was set aside, as others of its files were damaged, are used too."""
        store, key = self.workspace.store, artifact_key("image_links", bucket)
        found = store.find(key)
        old = found or store.find_set_aside(key)
        if old is None or not set(PAGES) <= old.manifest["files"].keys():
            return None
        if any(wrong_file(old, name, deep=found is None) for name in PAGES):
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

    def budget(self, ledger: RequestLedger) -> Budget:
        """The requests of the access key."""
        return ledger.budget(self.budget_key(), self.requests_per_hour())

    @contextmanager
    def client(self, max_wait: float | None = None) -> Iterator[UnsplashClient]:
        """The API with its budget. max_wait: seconds, instead of the setting's."""
        from clip_pipeline.sources.unsplash.api_client import UnsplashClient

        settings, service = self.settings, self.service()
        wait = settings.max_wait if max_wait is None else max_wait
        contact = self.workspace.recipe.download.contact
        with self.ledger() as ledger:
            budget = self.budget(ledger)
            with UnsplashClient(
                service.api, service.key, service.hosts, budget, settings.per_page, wait, contact
            ) as client:
                yield client

    def fetcher(self) -> AbstractContextManager[PhotoFetcher]:
        from clip_pipeline.sources.fetch import PhotoFetcher

        return PhotoFetcher(self.workspace.recipe.download, self.hosts())


@lru_cache(maxsize=1)
def _plans_of(words_file: Path, sha256: str, settings: LinksSettings) -> dict[str, dict[str, int]]:
    """Bucket -> word -> most pages. Every bucket of a run asks for the plan of all; sha256 says which words the file holds."""
    from clip_pipeline.images.links.buckets import bucket_of
    from clip_pipeline.images.links.search_plan import plan_requests
    from clip_pipeline.sources.tables.text_files import lines_of

    words = lines_of(words_file.read_text(encoding="utf-8"))
    plans: dict[str, dict[str, int]] = {}
    plan = plan_requests(words, settings.photos_per_word, settings.per_page, settings.max_requests)
    for word, pages in plan.items():
        plans.setdefault(f"{bucket_of(word, settings.buckets):03d}", {})[word] = pages
    return plans
