"""The stages on files of the user's own, without artifacts: what the single commands of the command line call.

Results go where the user says. A folder is written aside and put in place whole; a killed command goes on when it is run again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import InputError, PhotosError, SettingsError
from clip_pipeline.settings import (
    ComputeSettings,
    EmbeddingSettings,
    Recipe,
    TokenizerSettings,
    settings_text,
)
from clip_pipeline.storage.published import published_folder, work_folder_of

if TYPE_CHECKING:
    import pyarrow as pa

    from clip_pipeline.embedding.dataset import MakeRuntime
    from clip_pipeline.evaluation.datasets import Dataset
    from clip_pipeline.images.takedown import Found
    from clip_pipeline.sources.fetch import PhotoFetcher
    from clip_pipeline.sources.photos.open import Columns
    from clip_pipeline.sources.web.api_session import Hosts
    from clip_pipeline.training.data.shard_images import ShardPhotos
    from clip_pipeline.training.distributed import Processes


logger = logging.getLogger(__name__)


def download_links(
    links: Path, output: Path, recipe: Recipe, retry: bool = False, hosts: Hosts | None = None
) -> Counter[str]:
    """Downloads a url list into shards below `output`; returns the number of photos by status.

    Finished shards of the same links and settings are kept; with `retry`, what may succeed now is asked for again. hosts:
    names that stand for an address of ours, the only way to loopback. What was taken down in `output` does not come back.
    """
    from clip_pipeline.images.links.listed import links_without_word
    from clip_pipeline.sources.fetch import PhotoFetcher
    from clip_pipeline.sources.photos.url_list import list_url_photos

    listed = list_url_photos(links, Counter(), recipe.pairs, recipe.links.caption_keys)
    photos = map(links_without_word, listed)
    with PhotoFetcher(recipe.download, hosts or {}) as fetcher:
        return _download_photos(photos, output, recipe, fetcher, retry)


def _download_photos(
    photos: Iterable[pa.Table], output: Path, recipe: Recipe, fetcher: PhotoFetcher, retry: bool = False
) -> Counter[str]:
    """IMAGE_LINKS into shards below `output`; returns the number of photos by status."""
    import tempfile

    from clip_pipeline.images.catalog import write_catalog
    from clip_pipeline.images.download.catalog import download_catalog
    from clip_pipeline.images.takedown import TAKEDOWNS_FILE, read_takedowns

    gone = read_takedowns(output / TAKEDOWNS_FILE)
    workers = recipe.compute.workers
    with tempfile.TemporaryDirectory(prefix="clip_pipeline_catalog_") as scratch:
        catalog = Path(scratch, "catalog")
        write_catalog(photos, recipe.download.photos_per_shard, catalog, gone.ids)
        return download_catalog(catalog, output, recipe.download, fetcher, workers, retry, gone.sha256s)


def take_down_from_shards(output: Path, names: Sequence[str], reason: str) -> Found:
    """Removes photos, named by id, url or sha256, from a folder of `download_links`, and keeps them from coming back.

    Only the shards that held one are written again, from what they hold. Raises PhotosError for a folder without shards
    of ours, InputError for a name that means no photo.
    """
    import pyarrow.parquet as pq

    from clip_pipeline.images.download.catalog import finished_shards, remove_photos
    from clip_pipeline.images.takedown import ATTEMPT_COLUMNS, TAKEDOWNS_FILE, add_takedowns, find_photos

    shards = finished_shards(output)
    if not shards:
        raise PhotosError(f"{output} holds no shards that clip-pipeline download wrote. Give the folder of 00000.tar.")
    tables = [pq.read_table(output / f"{shard}.parquet", columns=ATTEMPT_COLUMNS) for shard in shards]
    found = find_photos(tables, names, date.today().isoformat(), reason)
    if found.unknown:
        raise InputError(
            f"No photo in {output} has the id, url or sha256 {', '.join(found.unknown[:5])}. "
            "Look it up in the column id of its .parquet files; nothing was changed."
        )
    together = add_takedowns(output / TAKEDOWNS_FILE, found.photos)
    remove_photos(output, together.ids)
    return found


def train_tokenizer_on_file(
    captions: Path, output: Path, settings: TokenizerSettings, context_length: int
) -> dict[str, Any]:
    """Makes a tokenizer for a text file, one caption a line; returns how well it fits.

    Raises CaptionsError for a missing or empty file, ModelError for a tokenizer that cannot be had.
    """
    from clip_pipeline.text.tokenizer_folder import train_tokenizer
    from clip_pipeline.text.tokenizer_report import write_report

    with published_folder(output) as (folder, _):
        facts = train_tokenizer(captions, settings, context_length, folder)
        write_report(facts, folder)
        return facts


def train_on_folder(photos: Path, captions: str, output: Path, recipe: Recipe) -> dict[str, Any]:
    """Photos with captions → pairs → tokenizer → model folder; empty in a process of torchrun's that is not the first.

    Raises PhotosError or CaptionsError for unusable input.
    """
    import pyarrow.parquet as pq

    from clip_pipeline.models.registry import context_length_of
    from clip_pipeline.text.captions import write_corpus
    from clip_pipeline.text.tokenizer_folder import train_tokenizer
    from clip_pipeline.training.distributed import joined_processes
    from clip_pipeline.training.options import architecture_of
    from clip_pipeline.training.train import train_clip

    context_length = context_length_of(architecture_of(recipe.training))
    with joined_processes() as processes:
        if not processes.first:
            _train_along(output, recipe, processes)
            return {}
        with published_folder(output) as (folder, work):
            pairs = _pairs_of_folder(photos, captions, recipe, work)
            pq.write_table(pairs, work / "pairs.parquet")
            training = [row["caption"] for row in pairs.to_pylist() if row["split"] == "train"]
            write_corpus(training, work / "captions.txt")
            train_tokenizer(work / "captions.txt", recipe.tokenizer, context_length, work / "tokenizer")
            processes.wait()
            facts = train_clip(
                pairs,
                _photos_to_train_on(pairs, work, recipe),
                work / "tokenizer",
                recipe.training,
                recipe.compute,
                work / "training",
                folder,
                processes,
            )
            (folder / "recipe.json").write_text(settings_text(recipe) + "\n", encoding="utf-8")
    return facts


def _train_along(output: Path, recipe: Recipe, processes: Processes) -> None:
    """What the other processes of a training do: the first one has put pairs, tokenizer and images into its work folder."""
    import pyarrow.parquet as pq

    from clip_pipeline.training.train import train_clip

    processes.wait()
    work = work_folder_of(output)
    pairs = pq.read_table(work / "pairs.parquet")
    tokenizer, inner = work / "tokenizer", work / "training"
    train_clip(
        pairs,
        _photos_to_train_on(pairs, work, recipe),
        tokenizer,
        recipe.training,
        recipe.compute,
        inner,
        output,
        processes,
    )


def _pairs_of_folder(photos: Path, captions: str, recipe: Recipe, work: Path) -> pa.Table:
    """Checks and stores the photos as shards below `work`, as the pipeline does, and returns their pairs."""
    import pyarrow.parquet as pq

    from clip_pipeline.images.links.listed import links_without_word
    from clip_pipeline.images.pairs import build_pairs
    from clip_pipeline.sources.fetch import PhotoFetcher
    from clip_pipeline.sources.photos.captions import CaptionOptions
    from clip_pipeline.sources.photos.formats.folder import FolderPhotos, check_captions
    from clip_pipeline.sources.photos.formats.tar_paths import is_tar_pattern, tar_root
    from clip_pipeline.sources.photos.open import open_photos
    from clip_pipeline.text.captions import clean_caption

    if not is_tar_pattern(photos) and not photos.exists():
        raise PhotosError(f"There is no {photos}. Give a folder of photos with a caption file, or of webdataset tars.")
    links = recipe.links
    options = CaptionOptions(captions or links.captions, (), links.splits, links.file_key, links.caption_keys)
    opened = open_photos(photos, options, kind="tars" if photos.is_file() else "")
    listed: Iterable[pa.Table] = opened.table(Counter())
    if isinstance(opened, FolderPhotos):
        listed = list(listed)
        check_captions(listed, photos, options)
    with PhotoFetcher(recipe.download, {}, tar_root(photos)) as fetcher:
        _download_photos(map(links_without_word, listed), work, recipe, fetcher)
    tables = [pq.read_table(path) for path in sorted(work.glob("[0-9]*.parquet"))]
    settings = recipe.pairs
    pairs, dropped = build_pairs(tables, settings, lambda text: clean_caption(text, settings.max_caption_chars))
    left_out = ", ".join(f"{reason} {count:,}" for reason, count in dropped.items() if count)
    if left_out:
        logger.warning("Left out of the pairs: %s", left_out)
    return pairs


def _photos_to_train_on(pairs: pa.Table, work: Path, recipe: Recipe) -> Iterator[tuple[str, bytes]] | ShardPhotos:
    """(photo id, JPEG bytes) of the photos that the pairs name, or where they lie, in the shards below `work`."""
    from clip_pipeline.sources.photos.formats.tar_index import read_photos
    from clip_pipeline.training.data.shard_images import shard_photos

    tars = {shard: work / f"{shard}.tar" for shard in sorted(set(pairs["shard"].to_pylist()))}
    if not recipe.training.cache_decoded_images:
        return shard_photos(pairs, tars)
    return read_photos(tars.values(), dict(zip(pairs["key"].to_pylist(), pairs["photo_id"].to_pylist(), strict=True)))


def embed_to(
    model: str,
    output: Path,
    settings: EmbeddingSettings,
    compute: ComputeSettings,
    images: Path | None,
    texts: Path | None = None,
    templates: Sequence[str] = (),
    columns: Columns | None = None,
    clip_retrieval: bool = False,
) -> list[str]:
    """Embeds photos, texts or both of the user's own into a folder; returns what was done, in sentences.

    Raises SettingsError for options that do not go together.
    """
    from clip_pipeline.api.embed import embed_photos, embed_text_file
    from clip_pipeline.pipeline.runtime_choice import REFERENCE, runtime_for_command, runtime_maker
    from clip_pipeline.sources.photos.open import open_photos

    if images is None and texts is None:
        raise SettingsError("There is nothing to embed. Give --images, --texts or both.")
    if images is not None and texts is not None and clip_retrieval:
        raise SettingsError(
            "In clip-retrieval's layout the texts of a folder are the captions of its photos, row by row. Embed --images and "
            "--texts into folders of their own."
        )
    if templates and texts is None:
        raise SettingsError("--template says how the texts of --texts are put, and there are none. Give --texts.")
    told = []
    with published_folder(output) as (folder, work):
        if images is not None:
            photos = open_photos(images, columns=columns)
            some = ((photo.name, photo.read) for photo in photos)
            name = runtime_for_command(model, some, len(photos), settings, compute)
            runtime = runtime_maker(name, compute)
            facts = embed_photos(model, images, folder, settings, compute, work, columns, clip_retrieval, runtime)
            failed = f", {facts['failed']:,} could not be decoded" if facts["failed"] else ""
            before = f", {facts['resumed']:,} of them by a run before" if facts["resumed"] else ""
            by = "" if name == REFERENCE else f", by {name}"
            told.append(f"Embedded {facts['photos']:,} photos{before}{failed}{by}.")
        if texts is not None:
            facts = embed_text_file(model, texts, templates, folder, settings, compute, clip_retrieval)
            told.append(f"Embedded {facts['texts']:,} texts.")
    return told


def evaluate_to(model: str, dataset: str, output: Path, recipe: Recipe) -> str:
    """Scores a model on a dataset of the user's own, or on the sandbox's; writes scores.json and a folder of predictions beside it,
    and returns the scoreboard."""
    import tempfile

    from clip_pipeline.api.evaluate import evaluate_model
    from clip_pipeline.evaluation.datasets import open_dataset
    from clip_pipeline.evaluation.report.terminal_table import scoreboard

    with tempfile.TemporaryDirectory(prefix="clip_pipeline_dataset_") as scratch:
        opened = open_dataset(_sandbox_benchmark(Path(scratch)), "sandbox") if dataset == "sandbox" else dataset
        runtime = _runtime_for(model, lambda: open_dataset(opened) if isinstance(opened, str) else opened, recipe)
        rows = evaluate_model(model, opened, output, recipe.evaluation, recipe.compute, recipe.embedding, runtime)
    return scoreboard(rows)


def probe_to(model: str, dataset: str, output: Path, recipe: Recipe) -> str:
    """Embeds a labelled dataset and trains probes on it; fills the folder `output` and returns what is printed."""
    from clip_pipeline.api.probe import probe_dataset
    from clip_pipeline.evaluation.datasets import open_dataset
    from clip_pipeline.evaluation.report.terminal_table import scoreboard

    runtime = _runtime_for(model, lambda: open_dataset(dataset), recipe)
    with published_folder(output) as (folder, work):
        probed = probe_dataset(model, dataset, recipe, folder, work, runtime)
    parts = ", ".join(f"{name} {seconds:,.1f} s" for name, seconds in probed.seconds.items())
    return f"{scoreboard(probed.rows)}\n\nTook: {parts} ({probed.photos_per_second:,.0f} photos a second)."


def _runtime_for(model: str, dataset: Callable[[], Dataset], recipe: Recipe) -> MakeRuntime | None:
    """What makes the runtime that the settings want for the photos of a dataset; None for plain fp32."""
    from functools import partial

    from clip_pipeline.pipeline.runtime_choice import REFERENCE, runtime_for_command, runtime_maker

    if recipe.embedding.runtime == REFERENCE:
        return None
    opened = dataset()
    photos = ((photo_id, partial(opened.read, row)) for row, photo_id in enumerate(opened.ids))
    name = runtime_for_command(model, photos, len(opened.ids), recipe.embedding, recipe.compute)
    return runtime_maker(name, recipe.compute)


def _sandbox_benchmark(folder: Path) -> Path:
    from clip_pipeline.pipeline.steps.benchmark_datasets import SANDBOX_BENCHMARK
    from clip_pipeline.sandbox.server import start_sandbox
    from clip_pipeline.settings import SandboxSettings
    from clip_pipeline.sources.benchmarks import download_benchmark

    with start_sandbox(SandboxSettings()) as world:
        download_benchmark(SANDBOX_BENCHMARK, folder, world.hosts)
    return folder
