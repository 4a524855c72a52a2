"""Datasets that a model is scored on: labelled photos for zero-shot and probes, photos with captions for retrieval."""

from __future__ import annotations

from clip_pipeline.evaluation.datasets.dataset import (
    TEMPLATES,
    Dataset,
    held_out_captions,
    only_split,
    splits_of,
)
from clip_pipeline.evaluation.datasets.folder_names import readable_class_name
from clip_pipeline.evaluation.datasets.opening import open_dataset

__all__ = [
    "TEMPLATES",
    "Dataset",
    "held_out_captions",
    "only_split",
    "open_dataset",
    "readable_class_name",
    "splits_of",
]
