"""The loss on photos that are not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clip_pipeline.models.registry import ClipModel
from clip_pipeline.settings import TrainingSettings
from clip_pipeline.training.arithmetic import autocast, encode_captions, encode_pictures
from clip_pipeline.training.batches import CaptionTable, normalised_pictures, validation_pairs
from clip_pipeline.training.loss import contrastive_loss
from clip_pipeline.training.optimizer import AveragedWeights

if TYPE_CHECKING:
    import numpy as np


class ValidationSet:
    """The whole validation split in a fixed, shuffled order, in batches as large as the training's.

    The contrastive loss depends on the batch size, so only equal batches compare with the training loss.
    """

    def __init__(
        self, pictures: np.ndarray, captions: CaptionTable, settings: TrainingSettings, preprocess: dict[str, Any]
    ):
        self.pictures, self.captions, self.settings, self.preprocess = pictures, captions, settings, preprocess
        self.batches = validation_pairs(captions, settings.batch_size, settings.seed)

    def loss(self, model: ClipModel, averaged: AveragedWeights | None, device: str, pad_id: int) -> float:
        """Mean loss in nats over all pairs, without augmentation or dropout, of the weights that would be published."""
        import torch

        trained = None
        if averaged is not None:
            trained = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
            model.load_state_dict(averaged.weights)
        model.eval()
        total = 0.0
        with torch.no_grad(), autocast(device, self.settings.precision):
            for photo_rows, caption_rows in self.batches:
                mean, std = self.preprocess["mean"], self.preprocess["std"]
                pictures = normalised_pictures(self.pictures[photo_rows], mean, std).to(device)
                tokens = torch.from_numpy(self.captions.tokens[caption_rows]).long().to(device)
                picture_ND = encode_pictures(model, pictures)
                caption_ND = encode_captions(model, tokens, pad_id)
                loss = contrastive_loss(model, picture_ND, caption_ND, self.settings, smoothed=False)
                total += float(loss) * len(photo_rows)
        if trained is not None:
            model.load_state_dict(trained)
        model.train()
        return total / len(self.captions)
