"""The files of the Unsplash Dataset, which need no key and no search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.pipeline.photo_sources.listed import ListedPhotos

if TYPE_CHECKING:
    from clip_pipeline.images.links.listed import Listing


class UnsplashDatasetPhotos(ListedPhotos):
    """Photos and their keywords as the dataset's files list them."""

    name = "unsplash_dataset"

    def config(self) -> dict[str, Any]:
        return super().config() | {
            "links.photos_per_word": self.settings.photos_per_word,
            "links.min_confidence": self.settings.min_confidence,
        }

    def photos_per_word(self) -> int:
        return self.settings.photos_per_word

    def listing(self) -> Listing:
        from clip_pipeline.images.links.listed import Listing
        from clip_pipeline.sources.unsplash.dataset_keywords import dataset_keywords
        from clip_pipeline.sources.unsplash.dataset_photos import dataset_photos

        counts = LeftOut()
        keywords = dataset_keywords(self.path, self.settings.min_confidence, counts)
        return Listing(dataset_photos(self.path, counts), keywords, counts)
