"""The loss on photos that are not trained on."""

from __future__ import annotations

from collections.abc import Sequence

from clip_pipeline.models.registry import ClipModel
from clip_pipeline.pixels.normalise import normalised_images
from clip_pipeline.training.data.batches import validation_pairs
from clip_pipeline.training.data.pair_reader import PairReader
from clip_pipeline.training.model.encode import encode_captions, encode_images
from clip_pipeline.training.model.precision import autocast
from clip_pipeline.training.objective.loss import contrastive_loss
from clip_pipeline.training.optim.optimizer import AveragedWeights


class ValidationSet:
    """The whole validation split in a fixed, shuffled order, in batches as large as the training's.

    The contrastive loss depends on the batch size, so only equal batches compare with the training loss. mean, std: of the three
    colours, by which images are normalised. loss: softmax or sigmoid.
    """

    def __init__(
        self,
        reader: PairReader,
        batch_size: int,
        seed: int,
        mean: Sequence[float],
        std: Sequence[float],
        loss: str = "softmax",
        precision: str = "fp32",
    ):
        self.reader, self.captions = reader, reader.table
        self.mean, self.std, self.loss_name, self.precision = mean, std, loss, precision
        self.batches = validation_pairs(self.captions, batch_size, seed)

    def loss(self, model: ClipModel, averaged: AveragedWeights | None, device: str) -> float:
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
        with torch.no_grad(), autocast(device, self.precision):
            for photo_rows, caption_rows in self.batches:
                batch = self.reader.read(photo_rows, caption_rows)
                images = normalised_images(batch.images, self.mean, self.std, device)
                self.reader.give_back(batch.images)
                tokens = torch.from_numpy(self.captions.tokens[batch.captions]).long().to(device)
                image_ND = encode_images(model, images)
                caption_ND = encode_captions(model, tokens)
                loss = contrastive_loss(model, image_ND, caption_ND, self.loss_name)
                total += float(loss) * len(photo_rows)
        if trained is not None:
            model.load_state_dict(trained)
        return total / len(self.captions)
