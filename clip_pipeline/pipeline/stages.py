"""The assets in the order of the flow, by stage. A stage is a folder below the data folder and a group in Dagster."""

from __future__ import annotations

from clip_pipeline.errors import SettingsError, nearest_name
from clip_pipeline.storage.artifacts import ArtifactKey

STAGES: dict[str, tuple[str, ...]] = {
    "words": ("wikipedia_dump", "word_counts", "vocabulary"),
    "images": ("image_links", "photo_catalog", "image_shards", "image_text_pairs", "benchmark_dataset"),
    "text": ("caption_corpus", "bpe_tokenizer"),
    "training": ("decoded_images", "clip_checkpoint"),
    "embedding": ("embedding_runtime", "image_embeddings", "text_embeddings", "parallelism_benchmark"),
    "evaluation": ("zero_shot_scores", "retrieval_scores", "probe_scores", "unit_inference", "benchmark_report"),
    "adaptation": ("adaptation_data", "adaptation_scores", "adaptation_curves"),
}
STAGE_OF = {asset: stage for stage, assets in STAGES.items() for asset in assets}
REPORT = "benchmark_report"
ASSETS = (*(asset for asset in STAGE_OF if asset != REPORT), REPORT)
"""In the order of the flow: the report comes last, for it tells of the adaptation too."""


def artifact_key(asset: str, partition: str = "") -> ArtifactKey:
    """The key of one artifact. Raises SettingsError for an unknown asset."""
    if asset not in STAGE_OF:
        raise SettingsError(f'There is no asset "{asset}". {nearest_name(asset, ASSETS)}')
    return ArtifactKey(STAGE_OF[asset], asset, partition)
