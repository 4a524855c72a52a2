"""A tar of a folder as it was: class folders, or photos with a caption file, rather than webdataset's samples."""

from __future__ import annotations

import functools
import itertools
import posixpath
from collections.abc import Iterable, Mapping
from pathlib import Path

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.caption_files import CAPTION_PLACES
from clip_pipeline.sources.photos.captions import CaptionOptions
from clip_pipeline.sources.photos.classes import metadata_of_folder
from clip_pipeline.sources.photos.formats.folder import NO_PHOTO, is_out_of_place
from clip_pipeline.sources.photos.formats.tar_index import read_place
from clip_pipeline.sources.photos.formats.tar_keys import photo_place
from clip_pipeline.sources.photos.formats.tar_members import TarPlace
from clip_pipeline.sources.photos.names import is_photo_name, photo_ids
from clip_pipeline.sources.photos.photos import Metadata, StoredPhotos
from clip_pipeline.sources.photos.splits import SPLIT_NAMES
from clip_pipeline.storage.scratch import scratch_folder

Places = dict[str, TarPlace]
"""Files of a tar by their path, in the order of the tar; hidden ones are left out."""

MAX_TEXT_BYTES = 1_000_000_000
"""Together. COCO's captions are 105 MB."""


class FolderTarPhotos(StoredPhotos):
    """The photos of a tar of a folder, with the names and metadata that the folder would have.

    places: of `files_below_root`.
    """

    def __init__(self, tar: Path, places: Mapping[str, TarPlace], options: CaptionOptions | None = None):
        self._tar, self._places, self._options = tar, places, options or CaptionOptions()
        self._paths = sorted(path for path in places if is_photo_name(path))
        self.names = photo_ids(self._paths)
        for path in sorted(places):
            if not is_photo_name(path) and is_out_of_place(posixpath.basename(path)):
                self.passed_over.add(NO_PHOTO, 1, path)

    def files(self) -> list[Path]:
        """See `StoredPhotos`."""
        return [self._tar]

    def read(self, row: int) -> bytes:
        """See `Photos`."""
        return read_place(self._tar, self._places[self._paths[row]])

    @functools.cached_property
    def metadata(self) -> Metadata:
        """See `Photos`."""
        with scratch_folder("texts") as texts:
            unpack_texts(self._tar, self._places, texts)
            found = metadata_of_folder(texts, self._paths, self._options)
        found.left_out.take(self.passed_over)
        return found


def files_below_root(members: Iterable[tuple[str, TarPlace]]) -> Places:
    """The members by their path below the folder that all share, as if the tar were unpacked and that folder named.

    A folder that is a split (`train`), or the only one that photos without a caption file lie in, stays.
    """
    places: Places = {}
    for name, place in members:
        path = posixpath.normpath(name)
        if not any(part in ("", "__MACOSX") or part.startswith(".") for part in path.split("/")):
            places.setdefault(path, place)
    parts = [path.split("/")[:-1] for path in places]
    shared = [same[0] for same in itertools.takewhile(lambda same: len(set(same)) == 1, zip(*parts, strict=False))]
    shared = list(itertools.takewhile(lambda part: part.lower() not in SPLIT_NAMES, shared))
    if shared and all(is_photo_name(path) and path.count("/") == len(shared) for path in places):
        shared.pop()
    return {path.split("/", len(shared))[-1]: place for path, place in places.items()}


def is_folder(places: Mapping[str, TarPlace], samples: Mapping[str, Mapping[str, TarPlace]]) -> bool:
    """Whether a tar holds a folder, by its files (`files_below_root`) and its samples (`by_sample`).

    It does where no photo has text, JSON or a label beside it, and all photos are in folders or a caption file is there.
    """
    with_photo = [members for members in samples.values() if photo_place(members)]
    if not with_photo or any(len(members) > 1 for members in with_photo):
        return False
    names = [path for path in places if is_photo_name(path)]
    return bool(names) and (all("/" in name for name in names) or any(_may_be_captions(path) for path in places))


def unpack_texts(tar: Path, places: Mapping[str, TarPlace], folder: Path) -> None:
    """Writes the files that may be captions, split lists or class names into `folder`, at their paths.

    Raises PhotosError where they are too large to be any.
    """
    texts = {path: place for path, place in places.items() if _may_be_captions(path)}
    total = sum(place.size for place in texts.values())
    if total > MAX_TEXT_BYTES:
        raise PhotosError(f"{tar} holds {total:,} bytes of text beside its photos. Unpack it and give the folder.")
    for path, place in texts.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(read_place(tar, place))


def _may_be_captions(path: str) -> bool:
    return posixpath.dirname(path) in CAPTION_PLACES and not is_photo_name(path)
