"""The loss on photos that are not trained on."""

from __future__ import annotations

from typing import Any

from clip_pipeline.models.registry import ClipModel
from clip_pipeline.pixels.normalise import normalised_images
from clip_pipeline.settings import TrainingSettings
from clip_pipeline.training.data.batches import validation_pairs
from clip_pipeline.training.data.loader import PairReader
from clip_pipeline.training.model.precision import autocast, encode_captions, encode_images
from clip_pipeline.training.objective.loss import contrastive_loss
from clip_pipeline.training.optim.optimizer import AveragedWeights


class ValidationSet:
    """The whole validation split in a fixed, shuffled order, in batches as large as the training's.

    The contrastive loss depends on the batch size, so only equal batches compare with the training loss.
    """

    def __init__(self, reader: PairReader, settings: TrainingSettings, preprocess: dict[str, Any]):
        self.reader, self.captions, self.settings, self.preprocess = reader, reader.table, settings, preprocess
        self.batches = validation_pairs(self.captions, settings.batch_size, settings.seed)

    def loss(self, model: ClipModel, averaged: AveragedWeights | None, device: str, pad_id: int) -> float:
        """Mean loss in nats over all pairs, without augmentation or dropout, of the weights that would be published.

        Leaves the model in evaluation mode.
        """
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
                batch = self.reader.read(photo_rows, caption_rows)
                images = normalised_images(batch.images, mean, std, device)
                self.reader.give_back(batch.images)
                tokens = torch.from_numpy(self.captions.tokens[batch.captions]).long().to(device)
                image_ND = encode_images(model, images)
                caption_ND = encode_captions(model, tokens, pad_id)
                loss = contrastive_loss(model, image_ND, caption_ND, self.settings, smoothed=False)
                total += float(loss) * len(photo_rows)
        if trained is not None:
            model.load_state_dict(trained)
        return total / len(self.captions)
