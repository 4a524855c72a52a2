"""Embeds the photos and the texts of one dataset into a folder."""

from __future__ import annotations

import contextlib
import itertools
import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.embedding.block_checkpoint import Blocks, all_ids, merge_blocks
from clip_pipeline.embedding.encode import embed_texts, rows_at_a_time
from clip_pipeline.embedding.layouts import Layout, own_layout
from clip_pipeline.embedding.photo_stream import Content, embed_blocks
from clip_pipeline.embedding.runtimes.runtime import REFERENCE, Runtime
from clip_pipeline.embedding.runtimes.torch_family import TorchRuntime
from clip_pipeline.embedding.store import MODEL_HASH, VectorFormat, write_embeddings
from clip_pipeline.errors import DamagedFileError, PhotosError
from clip_pipeline.machine.device import choose_device, use_threads
from clip_pipeline.machine.progress import progress
from clip_pipeline.pixels.preprocess import preprocessing_of
from clip_pipeline.settings import ComputeSettings, EmbeddingSettings

logger = logging.getLogger(__name__)

IMAGES, TEXTS = "images", "texts"
BLOCK_PHOTOS = 1024
"""Photos of one finished piece: what a kill costs at most. A multiple of the CPU's batch, so that only a block with broken
photos has a batch that is not full."""

MakeRuntime = Callable[[Any, str], Runtime]
"""(model, device) -> what runs it."""


def embed_dataset_images(
    model_name: str | Path,
    images: Iterable[tuple[str, Content]],
    total: int | None,
    folder: Path,
    settings: EmbeddingSettings,
    compute: ComputeSettings,
    work: Path | None = None,
    identity: str = "",
    layout: Layout | None = None,
    runtime: MakeRuntime | None = None,
    block_photos: int = BLOCK_PHOTOS,
    left_out: LeftOut | None = None,
) -> dict[str, Any]:
    """Writes images.npy, images.parquet (id, row) and images_failures.parquet (id, status, error_message) into `folder`.

    model_name: of `open_model`. images: (id, content) as `embed_blocks` takes them, in an order that is the same every time;
    those of finished blocks are passed over unread. work: a folder that outlives a kill, in which finished blocks wait for
    the next run; without one a killed run starts anew. identity: of the photos, in any words; blocks of another are not
    used. layout: the files to write, `own_layout` by default. left_out: counts the photos that could not be decoded, which are a
    warning where it is None. Memory does not grow with the number of photos, but for the
    ids: 8 bytes each.
    Returns facts: photos, failed, resumed (photos of blocks that were finished before), dimensions, seconds, photos_per_second
    and model_sha256. Raises PhotosError when no photo could be decoded, ModelError for what is no model, ShapeError for an
    id that comes twice.
    """
    from clip_pipeline.models.folder import open_model
    from clip_pipeline.models.identity import hash_weights
    from clip_pipeline.models.loaded_weights import resized_facts

    device = choose_device(compute.device)
    use_threads(compute.threads)
    model, preprocess, _ = open_model(model_name, device)
    runner = runtime(model, device) if runtime else TorchRuntime(REFERENCE, model, device)
    rows, format = rows_at_a_time(settings.batch_size, device), VectorFormat(settings.dtype, settings.unit_length)
    about = {MODEL_HASH.decode(): hash_weights(model), "runtime": runner.name} | resized_facts(model)
    plan = about | {
        "preprocess": repr(preprocess),
        "dtype": format.dtype,
        "unit_length": format.unit_length,
        "device": device,
        "batch": rows,
        "block": block_photos,
        "images": identity,
    }
    with _work_folder(work, folder) as blocks_folder:
        blocks = Blocks(blocks_folder, plan, format)
        stream, resumed, begun = _unfinished(iter(images), blocks, block_photos)
        started = time.monotonic()
        with progress("Embedding photos", total, "photo") as bar:
            bar.advance(resumed)
            new = embed_blocks(
                runner, preprocessing_of(preprocess), stream, rows, block_photos, device, compute.workers, bar.advance
            )
            for number, block in enumerate(new, start=begun):
                blocks.write(number, block)
        seconds = time.monotonic() - started
        folder.mkdir(parents=True, exist_ok=True)
        files = layout or own_layout(folder)
        merged = merge_blocks(blocks, files, about)
    if not merged.photos:
        reason = f" The first failed with: {merged.first_failure}." if merged.first_failure else ""
        raise PhotosError(f"None of {merged.failed} photos could be embedded.{reason} Expected image files.")
    lost = LeftOut()
    lost.add(
        f"photos that could not be read or decoded, named in {files.failures.name}", merged.failed, merged.first_failure
    )
    lost.hand_on(left_out, f"{merged.photos + merged.failed:,} photos")
    return {
        "photos": merged.photos,
        "failed": merged.failed,
        "resumed": resumed,
        "dimensions": merged.dimensions,
        "seconds": round(seconds, 3),
        "photos_per_second": round((merged.photos + merged.failed - resumed) / max(seconds, 1e-9), 1),
        **about,
    }


@contextlib.contextmanager
def _work_folder(work: Path | None, folder: Path) -> Iterator[Path]:
    """Where the blocks lie; removed when they have become files."""
    place = (work or folder) / ".blocks"
    yield place
    shutil.rmtree(place, ignore_errors=True)


def _unfinished(
    images: Iterator[tuple[str, Content]], blocks: Blocks, block_photos: int
) -> tuple[Iterator[tuple[str, Content]], int, int]:
    """(the photos whose vectors are not there, how many are, the number of the first block to write).

    A finished block counts when its ids are those of the photos that are passed over for it, and it is full or they end.
    """
    finished, resumed = blocks.finished(), 0
    for number in range(finished):
        passed = list(itertools.islice(images, block_photos))
        if why := _why_not(blocks, number, [photo_id for photo_id, _ in passed]):
            logger.warning("%s: embedded again from its block %d on", why, number)
            blocks.forget(number)
            return itertools.chain(passed, images), resumed, number
        resumed += len(passed)
    if finished:
        logger.info("%s photos were embedded before and are not embedded again", f"{resumed:,}")
    return images, resumed, finished


def _why_not(blocks: Blocks, number: int, photo_ids: list[str]) -> str:
    """Why a finished block does not stand for these photos; "" where it does."""
    try:
        found = all_ids(blocks.read(number))
    except DamagedFileError as error:
        return str(error).partition(". ")[0]
    return "" if sorted(photo_ids) == sorted(found) else "The photos are not those of a finished block any more"


def embed_dataset_texts(
    model_name: str | Path, texts: pa.Table, folder: Path, settings: EmbeddingSettings, compute: ComputeSettings
) -> dict[str, Any]:
    """Writes texts.npy and texts.parquet (all columns of `texts`) into `folder`.

    model_name: of `open_model`. texts: of `prompt_table` or `caption_table`; `id` and `text` are needed. Returns facts: texts,
    dimensions, seconds, model_sha256.
    """
    from clip_pipeline.models.folder import open_model
    from clip_pipeline.models.identity import hash_weights
    from clip_pipeline.models.loaded_weights import resized_facts

    device = choose_device(compute.device)
    use_threads(compute.threads)
    model, _, tokenizer = open_model(model_name, device)
    format = VectorFormat(settings.dtype, settings.unit_length)
    about = {MODEL_HASH.decode(): hash_weights(model), "runtime": REFERENCE} | resized_facts(model)
    started = time.monotonic()
    matrix_ND = embed_texts(
        model, tokenizer, texts["text"].to_pylist(), settings.batch_size, device, settings.unit_length
    )
    columns = {name: texts[name] for name in texts.column_names if name != "id"}
    write_embeddings(folder, TEXTS, texts["id"].to_pylist(), matrix_ND, columns, format, about)
    return {
        "texts": len(texts),
        "dimensions": int(matrix_ND.shape[1]),
        "seconds": round(time.monotonic() - started, 3),
        **about,
    }
