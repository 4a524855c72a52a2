"""The check of a trained model that chooses among its tokens: its vectors must be those of the photo alone."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from clip_pipeline.pipeline.checks.check import Check, CheckOutcome
from clip_pipeline.pipeline.steps.training import photos_of_pairs
from clip_pipeline.pipeline.workspace import Workspace

if TYPE_CHECKING:
    import torch

COMPARED_PHOTOS = 64
MIN_COSINE = 1 - 1e-6


def vectors_do_not_depend_on_the_batch(workspace: Workspace, partition: str) -> CheckOutcome:
    """Of models that pool their tokens; a plain one chooses nothing. Photos of the run itself: flat backdrops, where tokens are nearly alike and a
    choice among them hangs on little, are what a generated array would lack."""
    checkpoint = workspace.get("clip_checkpoint", partition)
    if not checkpoint.facts.get("token_pooling"):
        return CheckOutcome(True, "the model pools no tokens, so that nothing is chosen")
    from clip_pipeline.models.folder import open_model
    from clip_pipeline.pooling.batch_independence import batch_independence

    model, preprocess, _ = open_model(checkpoint.folder)
    pixels_N3SS = _pixels(workspace, preprocess)
    cosine, change = batch_independence(model, pixels_N3SS)
    found = (
        f"{len(pixels_N3SS)} photos alone and together: cosine {cosine:.9f} at least, {MIN_COSINE:.6f} is asked for; together twice: "
        f"{'equal' if change == 0 else f'{change:.1g} apart'}"
    )
    numbers: dict[str, float | int | str] = {"min_cosine": cosine, "largest_change": change}
    return CheckOutcome(cosine >= MIN_COSINE and change == 0, found, numbers)


def _pixels(workspace: Workspace, preprocess: Any) -> torch.Tensor:
    """(N, 3, S, S) of the first photos that there are pairs of."""
    import pyarrow.parquet as pq

    from clip_pipeline.pixels.preprocess import preprocessing_of

    preprocessing = preprocessing_of(preprocess)
    pairs = pq.read_table(workspace.get("image_text_pairs").file("pairs.parquet"), columns=["key", "photo_id"])
    photos = islice(photos_of_pairs(workspace, pairs), COMPARED_PHOTOS)
    return preprocessing.tensor([preprocessing.image(content) for _, content in photos])


MODEL_CHECKS = (
    Check("vectors_do_not_depend_on_the_batch", "clip_checkpoint", "A pooled model gives a photo one vector, alone or among others.", True, vectors_do_not_depend_on_the_batch),
)  # fmt: skip
