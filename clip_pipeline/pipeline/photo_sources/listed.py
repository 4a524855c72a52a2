"""The three ways to photos: a search (the sandbox or Unsplash), the user's own files, and a list of urls.

Each answers the same questions for the steps: which settings and files decide the links, what the links of some
words are, and what fetches a photo.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from clip_pipeline.errors import CaptionsError, PhotosError, SettingsError
from clip_pipeline.pipeline.photo_sources.searched import SEARCHED_SOURCES, SearchedPhotos
from clip_pipeline.pipeline.steps.words import bucket_keys
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.records import IMAGE_LINKS
from clip_pipeline.sources.photos.tar_paths import find_tars, is_tar_pattern, tar_path, tar_root
from clip_pipeline.storage.cache import cached_folder
from clip_pipeline.storage.disk import hash_json

if TYPE_CHECKING:
    import pyarrow as pa

    from clip_pipeline.images.links.listed import Listing
    from clip_pipeline.sources.fetch import PhotoFetcher

OWN_SOURCES = ("folder", "tars")
"""Sources whose photos are the user's own files."""

LISTED_VERSION = 3
"""Raised when the links of listed photos are written another way."""

COUNTS = "counts.json"
READ_ROWS = 16_384

RATING_SETTINGS = ("pairs.min_similarity", "pairs.allowed_nsfw", "pairs.max_unsafe", "pairs.max_watermark")
"""Filters that a list of urls is read with."""


class PhotoSource(Protocol):
    """What a step asks of a source of photos."""

    def config(self) -> dict[str, Any]:
        """Settings that decide the links."""

    def identity(self) -> dict[str, str]:
        """Content hashes of the user's own files behind the source, by name; empty for a remote service."""

    def word_inputs(self, bucket: str) -> dict[str, str]:
        """Hashes of what the vocabulary says for one bucket, by name."""

    def links(self, words: list[str], folder: Path, work: Path, bucket: str) -> tuple[int, dict[str, Any]]:
        """Writes folder/links.parquet, the IMAGE_LINKS rows of the words; raw answers go into `folder` too.

        Returns the number of links, and facts worth showing."""

    def photos_without_word(self) -> Iterator[pa.Table]:
        """IMAGE_LINKS rows for photos of the user's own that no word describes: they are kept all the same."""

    def fetcher(self) -> AbstractContextManager[PhotoFetcher]:
        """What fetches the photos of this source."""


def photo_source(workspace: Workspace) -> PhotoSource:
    """The source that the recipe names."""
    source = workspace.recipe.links.source
    if source in SEARCHED_SOURCES:
        return SearchedPhotos(workspace)
    return ListedPhotos(workspace)


def check_own_photos(workspace: Workspace) -> None:
    """A quick look at the user's own photos, so that a wrong path or captions elsewhere are told before the words are counted.

    Raises what `photo_source` does, CaptionsError for a folder without a caption file.
    """
    if workspace.recipe.links.source in SEARCHED_SOURCES:
        return
    source = ListedPhotos(workspace)
    if source.settings.source == "folder":
        from clip_pipeline.sources.photos.folder import check_caption_files

        check_caption_files(source.path, source.settings.captions)


class ListedPhotos:
    """Photos that the user lists: a folder with captions, webdataset tars, files of urls, or the Unsplash Dataset."""

    def __init__(self, workspace: Workspace):
        self.workspace, self.settings = workspace, workspace.recipe.links
        if not self.settings.path:
            raise SettingsError(
                f"links.source is {self.settings.source}, which needs links.path: where your photos are."
            )
        self.path = Path(self.settings.path).expanduser()
        self._pattern = self.settings.source == "tars" and is_tar_pattern(self.path)
        if not self._pattern and not self.path.exists():
            raise PhotosError(
                f"There is no {self.path} (links.path). Give the {self.settings.source} that holds your photos."
            )

    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = {"links.source": self.settings.source, "version of listed links": LISTED_VERSION}
        if self.settings.source == "unsplash_dataset":
            config["links.photos_per_word"] = self.settings.photos_per_word
            config["links.min_confidence"] = self.settings.min_confidence
        else:
            config["links.caption_keys"] = self.settings.caption_keys
        if self.settings.source == "folder":
            config["links.file_key"] = self.settings.file_key
            config["links.splits"] = "none" if self.settings.splits.strip().lower() == "none" else ""
        if self.settings.source == "url_list":
            # What a filter excludes is not listed, so that it is not downloaded.
            config |= {name: getattr(self.workspace.recipe.pairs, name.partition(".")[2]) for name in RATING_SETTINGS}
        return config

    def identity(self) -> dict[str, str]:
        files = {"your photos": self.path}
        if self.settings.source == "folder" and (self.settings.captions or self.settings.splits):
            from clip_pipeline.sources.photos.folder import caption_files_of
            from clip_pipeline.sources.photos.split_lists import parse_splits

            if self.settings.captions:
                for number, file in enumerate(caption_files_of(self.path, self.settings.captions), start=1):
                    files["your captions" if number == 1 else f"your captions {number}"] = file
            for split, file in parse_splits(self.settings.splits).items():
                files[f"your {split} split"] = file if file.exists() else self.path / file
        return {name: own_files_identity(self.workspace, file) for name, file in files.items()}

    def word_inputs(self, bucket: str) -> dict[str, str]:
        return {f"vocabulary/{bucket}": self.workspace.get("vocabulary").file_hash(f"buckets/{bucket}.txt")}

    def links(self, words: list[str], folder: Path, work: Path, bucket: str) -> tuple[int, dict[str, Any]]:
        import pyarrow.parquet as pq

        from clip_pipeline.images.links.listed import bucket_of

        everything = self._links_of_all_words()
        target = folder / "links.parquet"
        if not words:
            pq.write_table(IMAGE_LINKS.empty_table(), target, compression="zstd")
        else:
            shutil.copyfile(everything / f"{bucket_of(words[0], self.settings.buckets):03d}.parquet", target)
        return pq.read_metadata(target).num_rows, json.loads((everything / COUNTS).read_text())

    def photos_without_word(self) -> Iterator[pa.Table]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        from clip_pipeline.images.links.listed import WITHOUT_WORD

        path = self._links_of_all_words() / WITHOUT_WORD
        if path.exists():
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(READ_ROWS):
                    yield pa.Table.from_batches([batch])

    def _links_of_all_words(self) -> Path:
        """The links of the whole vocabulary, one file a bucket: read once from the files, whatever buckets are wanted."""
        vocabulary = self.workspace.get("vocabulary")
        names = [f"buckets/{bucket}.txt" for bucket in bucket_keys(self.workspace)]
        hashes = {name: vocabulary.file_hash(name) for name in names}
        identity = hash_json([self.config(), self.identity(), hashes])

        def build(folder: Path) -> None:
            from clip_pipeline.images.links.listed import write_listed_links

            words_of = {Path(name).stem: vocabulary.file(name).read_text().split() for name in names}
            most = self.config().get("links.photos_per_word", 0)
            counts = write_listed_links(self._listing(), words_of, folder, most)
            (folder / COUNTS).write_text(json.dumps(counts, sort_keys=True))

        return cached_folder(self.workspace.store.root, "listed_links", identity, build)

    def _listing(self) -> Listing:
        from clip_pipeline.images.links.listed import Listing

        source = self.settings.source
        counts: Counter[str] = Counter()
        if source == "folder":
            from clip_pipeline.sources.photos.folder import check_captions, list_folder_photos

            settings = self.settings
            named = (settings.captions, settings.splits, settings.file_key, settings.caption_keys)
            photos = list_folder_photos(self.path, *named, counts)
            check_captions(photos, self.path, settings.captions)
            return Listing([photos], counts=counts)
        if source == "tars":
            from clip_pipeline.sources.photos.tars import list_tar_photos

            samples = list_tar_photos(self.path, self.settings.caption_keys, counts)
            return Listing(_with_captions(samples, self.path), counts=counts)
        if source == "unsplash_dataset":
            from clip_pipeline.sources.unsplash.dataset_files import dataset_keywords, dataset_photos

            keywords = dataset_keywords(self.path, self.settings.min_confidence, counts)
            return Listing(dataset_photos(self.path, counts), keywords, counts)
        from clip_pipeline.sources.photos.url_list import list_url_photos

        ratings, keys = self.workspace.recipe.pairs, self.settings.caption_keys
        return Listing(_with_captions(list_url_photos(self.path, counts, ratings, keys), self.path), counts=counts)

    def fetcher(self) -> AbstractContextManager[PhotoFetcher]:
        from clip_pipeline.sources.fetch import PhotoFetcher

        root = tar_root(self.path) if self._pattern else self.path if self.settings.source in OWN_SOURCES else None
        return PhotoFetcher(self.workspace.recipe.download, {}, root)


def _with_captions(photos: Iterator[pa.Table], path: Path) -> Iterator[pa.Table]:
    """The pieces as they are. Raises CaptionsError after the last where no photo has a caption: before any is fetched."""
    from clip_pipeline.sources.photos.folder import has_captions

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


def _identity_of_tars(pattern: Path) -> str:
    root = tar_root(pattern)
    states = [(name, tar_path(root, name).stat()) for name in find_tars(pattern)]
    return hash_json([[str(root), name, state.st_size, state.st_mtime_ns] for name, state in states])


def own_files_identity(workspace: Workspace, path: Path) -> str:
    """A hash that changes when a file at or below `path` does: of contents for a file, of names, sizes and times for a folder
    or the tars of a pattern.

    Raises PhotosError when there is nothing at `path`.
    """
    path = path.expanduser()
    if is_tar_pattern(path):
        return _identity_of_tars(path)
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
            try:
                state = file.stat()
            except FileNotFoundError:  # a link to nothing, such as editors leave
                state = file.lstat()
            entries.append([file.relative_to(folder).as_posix(), state.st_size, state.st_mtime_ns])
    return hash_json(entries)
