"""What is wrong with a training, said before its first step."""

from __future__ import annotations

import logging

import numpy as np

from clip_pipeline.errors import ModelError, TrainingError
from clip_pipeline.text.byte_tokenizer import ByteTokenizer
from clip_pipeline.text.own_tokenizer import TrainingTokenizer
from clip_pipeline.training.data.batches import CaptionTable
from clip_pipeline.training.data.pairs import SplitPairs
from clip_pipeline.training.memory import PAIRS_MEASURED, estimate_memory, free_bytes
from clip_pipeline.training.trainer import Trainer

logger = logging.getLogger(__name__)

CAPTIONS_MEASURED = 2000
WORTH_SAYING = 0.05
"""Share of cut captions, or of photos without a caption of their own, from which on a warning is due."""
ESTIMATE_ERROR = 1.5


def check_tokens(table: CaptionTable, rows: int | None) -> None:
    """Raises ModelError where the tokenizer gives ids that the model has no embedding for. rows: of its token table, None where only
    the model itself knows."""
    largest = int(table.tokens.max())
    if rows is not None and largest >= rows:
        raise ModelError(
            f"The tokenizer gives the token {largest:,}, the model's vocabulary ends at {rows - 1:,}. Use the tokenizer "
            "that belongs to the model."
        )


def look_at_data(
    training: SplitPairs,
    table: CaptionTable,
    tokenizer: TrainingTokenizer,
    batch_size: int,
    captions_per_photo: int = 1,
    repeat_captions: str = "never",
) -> list[str]:
    """Sentences about captions that repeat, are too few or are cut.

    captions_per_photo: compared in a step. repeat_captions: see `plan_epoch`. Raises TrainingError for fewer different captions
    than a batch has.
    """
    found = []
    photos_of = _photos_by_text(table)
    different = int((photos_of > 0).sum())
    if repeat_captions == "never" and different < batch_size:
        raise TrainingError(
            f"There are only {different:,} different captions, training.batch_size is {batch_size}, and no "
            f"caption may repeat in a batch. Set training.batch_size to {max(2, different // 2)} or less, or "
            "training.repeat_captions to unavoidable."
        )
    # a photo whose least shared caption is shared has none of its own
    shared = float((np.minimum.reduceat(photos_of[table.text_ids], table.first[:-1]) > 1).mean())
    if shared > WORTH_SAYING:
        found.append(
            f"{shared:.0%} of the photos have no caption of their own: others read the same. The model cannot tell them "
            "apart, and what repeats in a batch counts as wrong. pairs.max_caption_photos drops such captions."
        )
    max_captions = int(np.diff(table.first).max())
    if captions_per_photo > max_captions:
        found.append(
            f"training.captions_per_photo is {captions_per_photo}, but no photo has more than {max_captions}: the "
            f"same ones are compared again. Set it to {max_captions} to save the text encoder's time."
        )
    length = table.tokens.shape[1]
    cut = share_of_cut_captions(training, tokenizer, length)
    if cut > WORTH_SAYING:
        most = "most" if cut > 0.5 else "many"
        by_bytes = isinstance(tokenizer, ByteTokenizer)
        units, larger = ("bytes", "") if by_bytes else ("tokens", " or tokenizer.vocab_size")
        found.append(
            f"{cut:.0%} of the captions are longer than the {length} {units} of the text encoder, which is too few for "
            f"{most} of them. Raise training.context_length{larger}, or lower pairs.max_caption_words."
        )
    return found


def look_at_memory(trainer: Trainer) -> str | None:
    """A sentence where the training may not fit. Raises TrainingError where it cannot, whatever the estimate's error."""
    data = trainer.data
    pairs = min(PAIRS_MEASURED, data.batches.batch_size)
    images, tokens = trainer.pairs_to_measure(pairs)
    mixed, stored = bool(data.augmentation.mixup_alpha), data.reader.source.nbytes
    estimate = estimate_memory(trainer.train_step, images, tokens, data.batches.batch_size, mixed, stored)
    free = free_bytes(trainer.train_step.device)
    logger.info("The training will take about %.0f MB more", estimate.total / 1e6)
    if free is None or estimate.total <= free:
        return None
    sentence = (
        f"The training needs about {estimate.total / 1e6:,.0f} MB (activations {estimate.activations / 1e6:,.0f}, "
        f"gradients and optimizer {(estimate.gradients + estimate.optimizer) / 1e6:,.0f}, "
        f"every pair's similarity {estimate.similarities / 1e6:,.0f}, batch "
        f"{estimate.batch / 1e6:,.0f}), and {free / 1e6:,.0f} MB are free."
    )
    advice = "Lower training.chunk_size (the batch stays as large) or training.batch_size, or take a smaller model."
    if estimate.total > ESTIMATE_ERROR * free:
        raise TrainingError(f"{sentence} {advice}")
    return f"{sentence} If it stops for want of memory: {advice}"


def share_of_cut_captions(training: SplitPairs, tokenizer: TrainingTokenizer, length: int) -> float:
    """Share of the captions, of up to 2,000 evenly chosen ones, with more tokens than `length`."""
    chosen = training.captions[:: max(1, len(training.captions) // CAPTIONS_MEASURED)]
    rows = tokenizer.encode(chosen.to_pylist(), 4 * length)
    return float((_lengths(rows, tokenizer.pad_id, tokenizer.end_id) > length).mean())


def _lengths(rows: np.ndarray, pad_id: int, end_id: int) -> np.ndarray:
    """Tokens of each row up to the last that is no padding; the end is one of them where rows are filled up with it."""
    places = np.arange(1, rows.shape[1] + 1)
    return np.where(rows != pad_id, places, 0).max(axis=1) + (pad_id == end_id)


def _photos_by_text(table: CaptionTable) -> np.ndarray:
    """How many photos each text is a caption of, by its number."""
    photo_of = np.repeat(np.arange(len(table)), np.diff(table.first))
    different = int(table.text_ids.max()) + 1
    _, texts = np.divmod(np.unique(photo_of * different + table.text_ids), different)
    return np.bincount(texts, minlength=different)
