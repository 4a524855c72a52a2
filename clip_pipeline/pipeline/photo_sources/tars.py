"""The user's own webdataset tars: a folder of them, or a pattern that names them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.pipeline.photo_sources.listed import ListedPhotos, with_captions
from clip_pipeline.sources.photos.formats.tar_paths import is_tar_pattern, tar_root

if TYPE_CHECKING:
    from clip_pipeline.images.links.listed import Listing


class TarPhotos(ListedPhotos):
    """Photos with captions in webdataset tars."""

    name = "tars"
    photos_are_user_files = True
    owner_knows_licences = True

    def is_there(self) -> bool:
        return is_tar_pattern(self.path) or super().is_there()

    def config(self) -> dict[str, Any]:
        return super().config() | {"links.caption_keys": self.settings.caption_keys}

    def listing(self) -> Listing:
        from clip_pipeline.images.links.listed import Listing
        from clip_pipeline.sources.photos.captions import CaptionOptions
        from clip_pipeline.sources.photos.open import open_photos

        counts = LeftOut()
        options = CaptionOptions(caption_keys=self.settings.caption_keys)
        photos = open_photos(self.path, options, kind=self.name, say=False)
        return Listing(with_captions(photos.table(counts), self.path), counts=counts)

    def root(self) -> Path:
        return tar_root(self.path) if is_tar_pattern(self.path) else self.path
