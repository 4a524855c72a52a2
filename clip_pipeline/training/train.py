"""Training a CLIP from scratch on pairs, resumable at any moment."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.machine.cores import usable_cores
from clip_pipeline.machine.device import choose_device
from clip_pipeline.models.folder import save_model_folder
from clip_pipeline.models.text_pooling import reads_bytes
from clip_pipeline.settings import ComputeSettings, PoolingSettings, TrainingSettings, fingerprinted
from clip_pipeline.storage.disk import hash_json
from clip_pipeline.text.byte_tokenizer import SPACE_ID
from clip_pipeline.training.checkpoint import remove_states
from clip_pipeline.training.data.batches import Batches, CaptionTable, shuffled_captions
from clip_pipeline.training.data.decoded_images import ImageSource, StoredImages, store_images
from clip_pipeline.training.data.image_format import ImageFormat, image_format
from clip_pipeline.training.data.loader import Loader
from clip_pipeline.training.data.mixup import check_circles
from clip_pipeline.training.data.pair_reader import PairReader
from clip_pipeline.training.data.pairs import check_enough_photos, hash_data, read_split
from clip_pipeline.training.data.shard_images import ShardPhotos, StreamedImages
from clip_pipeline.training.data.undecodable_images import UndecodableImages, publish_undecodable_images
from clip_pipeline.training.distributed import ONE_PROCESS, Processes
from clip_pipeline.training.loss_watch import DivergenceDetector, memory_explained
from clip_pipeline.training.model.batch_norms import has_batch_norms, share_batch_norms
from clip_pipeline.training.model.initial_model import (
    hash_initial_weights,
    largest_logit_scale,
    make_model,
)
from clip_pipeline.training.model.precision import (
    choose_precision,
    count_threads,
    make_scaler,
    reproducible_arithmetic,
)
from clip_pipeline.training.objective.bag_of_words_loss import make_word_head, token_weights
from clip_pipeline.training.objective.grad_cache import GradCacheStep
from clip_pipeline.training.optim.optimizer import AveragedWeights, ClipOptimizer
from clip_pipeline.training.optim.schedule import Schedule
from clip_pipeline.training.options import (
    about_model,
    about_pooling,
    architecture_of,
    augmentation_of,
    initial_model_of,
    objective_of,
    odd_settings,
    optimizer_of,
    saving_of,
    schedule_of,
)
from clip_pipeline.training.preflight import check_tokens, look_at_data, look_at_memory
from clip_pipeline.training.reports.log import LOG_FILE, TABLE_FILE, read_log, write_log_table
from clip_pipeline.training.reports.log_plot import plot_log
from clip_pipeline.training.reports.summary import summarise
from clip_pipeline.training.reports.tensorboard import FOLDER as TENSORBOARD_FOLDER
from clip_pipeline.training.starting_point import starting_point
from clip_pipeline.training.trainer import OnRow, Trainer, nothing_on_row
from clip_pipeline.training.validation import ValidationSet

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

PLOT_FILE, SUMMARY_FILE = "loss.png", "training.json"

Photos = Path | ShardPhotos | Iterable[tuple[str, bytes]]
"""A folder of stored images (`store_images`), shards to stream from, or (photo_id, JPEG bytes) in any order, of at least
the train and validation photos, which are stored in the work folder first."""


def train_clip(
    pairs: pa.Table,
    photos: Photos,
    tokenizer_folder: Path | None,
    settings: TrainingSettings,
    compute: ComputeSettings,
    work_folder: Path,
    folder: Path,
    processes: Processes = ONE_PROCESS,
    on_row: OnRow = nothing_on_row,
    pooling: PoolingSettings | None = None,
) -> dict[str, Any]:
    """Trains on the `train` split and writes the model folder, `train_log.csv`, `loss.png` and `training.json`.

    pairs: records.IMAGE_TEXT_PAIRS. tokenizer_folder: None for a model that reads bytes. work_folder: kept between runs; holds the state from which a killed run goes on. With
    the same threads on the same machine, the resumed model has the same bytes as that of an undisturbed run.
    processes: those that train together; only the first one decodes, writes and returns the summary. on_row: called with each row of
    the log once it is written. pooling: how the model's tokens are pooled, None for as it says itself.
    Returns what `training.json` says and the seconds spent. Raises TrainingError when there are too few photos or the
    loss does not fall, ModelError for an unknown model.
    """
    began = time.monotonic()
    device = choose_device(compute.device)
    threads = count_threads(compute.threads, processes.on_this_machine)
    settings = replace(settings, precision=choose_precision(settings.precision, device))
    work_folder.mkdir(parents=True, exist_ok=True)
    begun = architecture_of(settings, pooling), settings.init_from, settings.loss
    start = starting_point(*begun, tokenizer_folder, work_folder)
    config, preprocess, tokenizer = start.config, start.preprocess, start.tokenizer
    training, validation = read_split(pairs, "train"), read_split(pairs, "validation")
    check_enough_photos(training, settings.batch_size)
    schedule = schedule_of(settings, len(training))

    wanted = image_format(preprocess, settings.cached_image_size)
    with processes.first_goes_ahead():  # the others find the file that it made
        sources = _open_images(photos, [training.photo_ids, validation.photo_ids], wanted, work_folder, compute.workers)
    length = start.context_length
    captions = training.table(tokenizer, length)
    check_tokens(captions, start.token_rows)
    warnings = about_model(settings) + about_pooling(settings, config)
    if processes.first:
        compared = settings.batch_size, settings.captions_per_photo, settings.repeat_captions
        warnings += look_at_data(training, captions, tokenizer, *compared)
    if settings.shuffle_captions:
        captions = shuffled_captions(captions, settings.seed)
    undecodable_images = None
    if isinstance(photos, ShardPhotos):
        undecodable_images = UndecodableImages(
            work_folder, len(training), settings.max_undecodable_percent, processes.rank
        )
    workers = max(1, (compute.workers or usable_cores()) // processes.on_this_machine)

    def reader(source: ImageSource, table: CaptionTable, split: str) -> PairReader:
        return PairReader(source, table, start.image_size, split, workers, undecodable_images, device == "cuda")

    held_out = None
    if len(validation):
        held_out = ValidationSet(
            reader(sources[1], validation.table(tokenizer, length), "validation"),
            settings.batch_size,
            settings.seed,
            preprocess["mean"],
            preprocess["std"],
            settings.loss,
            settings.precision,
        )
    # another thread count or device would finish with other bytes than an undisturbed run
    plan_parts = [fingerprinted(settings), config, hash_data(training, validation, tokenizer=start.tokenizer_bytes)]
    plan = hash_json([*plan_parts, hash_initial_weights(settings.init_from), device, threads, processes.count])
    explained = memory_explained(settings.batch_size, settings.chunk_size)
    with reproducible_arithmetic(settings.seed, device, threads), explained:
        pairs_read = reader(sources[0], captions, "train")
        trainer = make_trainer(
            settings, schedule, config, preprocess, pairs_read, held_out, device, tokenizer.kept_ids, processes
        )
        by_batch = has_batch_norms(trainer.model) and not trainer.train_step.keeps_statistics
        warnings += odd_settings(settings, by_batch, processes.count, reads_bytes(config))
        about_memory = look_at_memory(trainer)  # by all of them: batch norms that share a batch wait for one another
        if processes.first:
            _warn(warnings, about_memory)
        trainer.resume(work_folder, plan)
        if undecodable_images is not None:
            undecodable_images.go_on_at(trainer.step)
        prepared = time.monotonic() - began
        trainer.run(work_folder, plan, on_row)
        processes.wait()
        if not processes.first:
            return {}
        trainer.load_published_weights(work_folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_model_folder(trainer.model, config, preprocess, start.tokenizer_folder, folder)
    bad = publish_undecodable_images(work_folder, folder)
    summary = (
        {"settings": fingerprinted(settings)}
        | summarise(trainer)
        | ({"undecodable_images": bad} if bad else {})
        | {
            "warnings": warnings,
            "training_photos": len(training),
            "validation_photos": len(validation),
        }
    )
    (folder / SUMMARY_FILE).write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    shutil.copyfile(work_folder / LOG_FILE, folder / LOG_FILE)
    log = read_log(folder / LOG_FILE)
    write_log_table(log, folder / TABLE_FILE)
    title = f"Training {Path(settings.init_from or settings.model).stem}"
    plot_log(log, folder / PLOT_FILE, settings.batch_size, settings.loss, title)
    if settings.tensorboard:
        shutil.copytree(work_folder / TENSORBOARD_FOLDER, folder / TENSORBOARD_FOLDER)
    remove_states(work_folder)
    total = time.monotonic() - began
    return summary | {"preparation_seconds": round(prepared, 1), "seconds": round(total, 1), "device": device}


def make_trainer(
    settings: TrainingSettings,
    schedule: Schedule,
    config: dict[str, Any],
    preprocess: dict[str, Any],
    pairs: PairReader,
    held_out: ValidationSet | None,
    device: str,
    kept_ids: tuple[int, ...],
    processes: Processes = ONE_PROCESS,
) -> Trainer:
    """The parts of a training, each made of what the settings say of it, put together before the first step.

    config: with the tokenizer's and the loss's entries. preprocess: of images. pairs: of the training. kept_ids: of the
    tokenizer. Raises SettingsError for what does not go together, ModelError for weights that do not fit.
    """
    initial, augmentation, objective = initial_model_of(settings), augmentation_of(settings), objective_of(settings)
    optimizer, saving = optimizer_of(settings), saving_of(settings)
    check_circles(augmentation.mixup_alpha, settings.batch_size, processes.count)
    space_id = SPACE_ID if reads_bytes(config) else None
    batches = Batches(pairs.table, settings.batch_size, settings.seed, settings.repeat_captions)
    share = processes.share(settings.batch_size)
    data = Loader(pairs, batches, schedule.steps, share, augmentation, settings.captions_per_photo, kept_ids, space_id)
    model = make_model(config, initial, device)
    share_batch_norms(model, processes)
    word_head = None
    if objective.bag_of_words:
        weights = token_weights(pairs.table, model.vocab_size, kept_ids)
        word_head = make_word_head(config["embed_dim"], weights).to(device)
    train_step = GradCacheStep(
        model,
        word_head,
        objective,
        device,
        settings.precision,
        settings.chunk_size,
        settings.gradient_checkpointing,
        initial.frozen,
        make_scaler(device, settings.precision),
        processes,
        initial.keeps_statistics,
    )
    optimizer = replace(optimizer, max_logit_scale=largest_logit_scale(model, initial, optimizer.max_logit_scale))
    return Trainer(
        train_step,
        data,
        ClipOptimizer(train_step.trained(), model, optimizer, train_step.scaler),
        schedule,
        DivergenceDetector(
            schedule, settings.batch_size, settings.loss, settings.precision, learns=not settings.shuffle_captions
        ),
        saving,
        preprocess["mean"],
        preprocess["std"],
        held_out,
        AveragedWeights(model, settings.ema_decay) if settings.ema_decay else None,
    )


def _open_images(
    photos: Photos, splits: Sequence[Sequence[str]], wanted: ImageFormat, work_folder: Path, workers: int
) -> list[ImageSource]:
    """The images of each split, in the order of its photo ids."""
    if isinstance(photos, ShardPhotos):
        return [StreamedImages(photos, photo_ids, wanted) for photo_ids in splits]
    folder = photos if isinstance(photos, Path) else work_folder
    if not isinstance(photos, Path):
        store_images(photos, [photo_id for photo_ids in splits for photo_id in photo_ids], wanted, folder, workers)
    return [StoredImages(folder, photo_ids, wanted) for photo_ids in splits]


def _warn(warnings: list[str], about_memory: str | None) -> None:
    for sentence in [*warnings, *([about_memory] if about_memory else [])]:
        logger.warning("%s", sentence)
