"""Photos that the user lists in files: what all such sources share. The links of all words are made in one reading."""

from __future__ import annotations

import json
import shutil
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.display.left_out import FACT
from clip_pipeline.errors import CaptionsError, PhotosError, SettingsError
from clip_pipeline.pipeline.partitions import bucket_keys
from clip_pipeline.pipeline.photo_sources.source import PhotoSource
from clip_pipeline.pipeline.photo_sources.user_files import user_files_identity
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.records import IMAGE_LINKS
from clip_pipeline.storage.cache import cached_folder
from clip_pipeline.storage.disk import hash_json

if TYPE_CHECKING:
    import pyarrow as pa

    from clip_pipeline.images.links.listed import Listing
    from clip_pipeline.sources.fetch import PhotoFetcher

LISTED_VERSION = 5
"""Raised when the links of listed photos are written another way."""

COUNTS = "counts.json"
READ_ROWS = 16_384


class ListedPhotos(PhotoSource):
    """Photos of a list at `links.path`."""

    def __init__(self, workspace: Workspace):
        super().__init__(workspace)
        if not self.settings.path:
            raise SettingsError(f"links.source is {self.name}, which needs links.path: where your photos are.")
        self.path = Path(self.settings.path).expanduser()
        if not self.is_there():
            raise PhotosError(f"There is no {self.path} (links.path). Give the {self.name} that holds your photos.")

    @abstractmethod
    def listing(self) -> Listing:
        """Reads the list: photos, and the keywords that come with them. Raises InputError."""

    def check(self) -> None:
        """See `PhotoSource`: the first piece of the list, some thousand rows."""
        listing = self.listing()
        for pieces in (listing.photos, listing.keywords or ()):
            next(iter(pieces), None)

    def is_there(self) -> bool:
        """Whether there is something at `links.path`."""
        return self.path.exists()

    def user_files(self) -> dict[str, Path]:
        """The files that decide the links, by what an input is called."""
        return {"your photos": self.path}

    def photos_per_word(self) -> int:
        """Most photos linked to a word; 0 is no limit."""
        return 0

    def root(self) -> Path | None:
        """The folder that names of photos start from; None where photos have addresses of the web."""
        return None

    def config(self) -> dict[str, Any]:
        return {"links.source": self.name, "version of listed links": LISTED_VERSION}

    def identity(self) -> dict[str, str]:
        return {name: user_files_identity(self.workspace.user_files, file) for name, file in self.user_files().items()}

    def word_inputs(self, bucket: str) -> dict[str, str]:
        return {f"vocabulary/{bucket}": self.workspace.get("vocabulary").file_hash(f"buckets/{bucket}.txt")}

    def links(
        self, words: list[str], bucket: str, folder: Path, work: Path, forced: bool, first: bool
    ) -> tuple[int, dict[str, Any]]:
        import pyarrow.parquet as pq

        everything = self._links_of_all_words()
        target = folder / "links.parquet"
        if words:
            shutil.copyfile(everything / f"{bucket}.parquet", target)
        else:
            pq.write_table(IMAGE_LINKS.empty_table(), target, compression="zstd")
        facts = json.loads((everything / COUNTS).read_text())
        if bucket != bucket_keys(self.workspace.recipe)[0]:
            facts.pop(FACT)  # of the whole list: told once
        return pq.read_metadata(target).num_rows, facts

    def photos_without_word(self) -> Iterator[pa.Table]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        from clip_pipeline.images.links.listed import WITHOUT_WORD

        path = self._links_of_all_words() / WITHOUT_WORD
        if path.exists():
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(READ_ROWS):
                    yield pa.Table.from_batches([batch])

    def fetcher(self) -> AbstractContextManager[PhotoFetcher]:
        from clip_pipeline.sources.fetch import PhotoFetcher

        return PhotoFetcher(self.workspace.recipe.download, {}, self.root())

    def _links_of_all_words(self) -> Path:
        """The links of the whole vocabulary, one file a bucket: read once from the files, whatever buckets are wanted."""
        vocabulary = self.workspace.get("vocabulary")
        names = [f"buckets/{bucket}.txt" for bucket in bucket_keys(self.workspace.recipe)]
        hashes = {name: vocabulary.file_hash(name) for name in names}
        identity = hash_json([self.config(), self.identity(), hashes])

        def build(folder: Path) -> None:
            from clip_pipeline.images.links.listed import write_listed_links

            words_of = {Path(name).stem: vocabulary.file(name).read_text().split() for name in names}
            listing = self.listing()
            counts = write_listed_links(listing, words_of, folder, self.photos_per_word())
            (folder / COUNTS).write_text(json.dumps({**counts, FACT: listing.counts.rows()}, sort_keys=True))

        return cached_folder(self.workspace.store.root, "listed_links", identity, build)


def with_captions(photos: Iterator[pa.Table], path: Path) -> Iterator[pa.Table]:
    """The pieces as they are. Raises CaptionsError after the last where no photo has a caption: before any is fetched."""
    from clip_pipeline.sources.photos.captions import has_captions

    listed, captioned = 0, False
    for piece in photos:
        listed += len(piece)
        captioned = captioned or has_captions(piece)
        yield piece
    if listed and not captioned:
        raise CaptionsError(
            f"None of the {listed:,} photos of {path} has a caption, and pairs need them. Say where they are with "
            "links.caption_keys, or list the photos with captions."
        )
