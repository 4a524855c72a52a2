"""A list of urls with captions: a file or a folder of files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.pipeline.photo_sources.listed import ListedPhotos, with_captions

if TYPE_CHECKING:
    from clip_pipeline.images.links.listed import Listing

RATING_SETTINGS = ("pairs.min_similarity", "pairs.allowed_nsfw", "pairs.max_unsafe", "pairs.max_watermark")
"""Filters that a list of urls is read with: what one excludes is not listed, so that it is not downloaded."""


class UrlListPhotos(ListedPhotos):
    """Photos of the web that a list such as LAION's names."""

    name = "url_list"
    owner_knows_licences = True

    def config(self) -> dict[str, Any]:
        pairs = self.workspace.recipe.pairs
        ratings = {name: getattr(pairs, name.partition(".")[2]) for name in RATING_SETTINGS}
        return super().config() | {"links.caption_keys": self.settings.caption_keys} | ratings

    def check(self) -> None:
        from clip_pipeline.sources.photos.url_list import check_url_lists

        check_url_lists(self.path, self.settings.caption_keys)

    def listing(self) -> Listing:
        from clip_pipeline.images.links.listed import Listing
        from clip_pipeline.sources.photos.url_list import list_url_photos

        counts = LeftOut()
        ratings, keys = self.workspace.recipe.pairs, self.settings.caption_keys
        return Listing(with_captions(list_url_photos(self.path, counts, ratings, keys), self.path), counts=counts)
