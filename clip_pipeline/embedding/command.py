"""`clip-pipeline embed`: photos of the user's own into a folder of embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clip_pipeline.embedding.dataset import embed_dataset_images
from clip_pipeline.settings import ComputeSettings, EmbeddingSettings


def embed_folder(
    model_dir: Path, images_path: Path, out_folder: Path, settings: EmbeddingSettings, compute: ComputeSettings
) -> dict[str, Any]:
    """Embeds a folder of photos, a webdataset tar or a folder of tars; writes and returns what `embed_dataset_images` does."""
    from clip_pipeline.sources.image_set import open_image_set

    photos = open_image_set(images_path, with_captions=False)
    images = ((photo_id, photos.read(row)) for row, photo_id in enumerate(photos.ids))
    return embed_dataset_images(model_dir, images, len(photos.ids), out_folder, settings, compute)
