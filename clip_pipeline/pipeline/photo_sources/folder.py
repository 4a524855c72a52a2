"""The user's own folder of photos with captions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.pipeline.photo_sources.listed import ListedPhotos

if TYPE_CHECKING:
    from clip_pipeline.images.links.listed import Listing
    from clip_pipeline.sources.photos.captions import CaptionOptions


class FolderPhotos(ListedPhotos):
    """A folder of photos: its caption files, and the splits that it has of its own."""

    name = "folder"
    photos_are_user_files = True
    owner_knows_licences = True

    def config(self) -> dict[str, Any]:
        splits = "none" if self.settings.splits.strip().lower() == "none" else ""
        return super().config() | {
            "links.caption_keys": self.settings.caption_keys,
            "links.file_key": self.settings.file_key,
            "links.splits": splits,
        }

    def user_files(self) -> dict[str, Path]:
        from clip_pipeline.sources.photos.captions import caption_files_of
        from clip_pipeline.sources.photos.splits import parse_splits

        files = super().user_files()
        if self.settings.captions:
            for number, file in enumerate(caption_files_of(self.path, self._options()), start=1):
                files["your captions" if number == 1 else f"your captions {number}"] = file
        if self.settings.splits:
            for split, file in parse_splits(self.settings.splits).items():
                files[f"your {split} split"] = file if file.exists() else self.path / file
        return files

    def check(self) -> None:
        from clip_pipeline.sources.photos.captions import check_sample
        from clip_pipeline.sources.photos.formats.folder import check_caption_files

        check_caption_files(self.path, self._options())
        check_sample(self.path, self._options())

    def listing(self) -> Listing:
        from clip_pipeline.images.links.listed import Listing
        from clip_pipeline.sources.photos.formats.folder import check_captions
        from clip_pipeline.sources.photos.open import open_photos

        counts = LeftOut()
        photos = list(open_photos(self.path, self._options(), kind=self.name, say=False).table(counts))
        check_captions(photos, self.path, self._options())
        return Listing(photos, counts=counts)

    def _options(self) -> CaptionOptions:
        from clip_pipeline.sources.photos.captions import CaptionOptions

        settings = self.settings
        return CaptionOptions(settings.captions, (), settings.splits, settings.file_key, settings.caption_keys)

    def root(self) -> Path:
        return self.path
