"""A CLIP trained on photos with captions of the user's own."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import PhotosError
from clip_pipeline.machine.progress import say, shown_progress
from clip_pipeline.settings import Recipe, settings_text
from clip_pipeline.settings.chosen_recipe import Settings, own_photos_recipe
from clip_pipeline.settings.made import made_by
from clip_pipeline.storage.published import published_folder, work_folder_of

if TYPE_CHECKING:
    import pyarrow as pa

    from clip_pipeline.training.data.shard_images import ShardPhotos
    from clip_pipeline.training.distributed import Processes

logger = logging.getLogger(__name__)


def train(
    photos: str | Path,
    output: str | Path,
    *,
    captions: str | None = None,
    recipe: str | Recipe | None = None,
    settings: Settings = (),
    device: str | None = None,
    replace: bool = False,
    progress: bool = False,
) -> dict[str, Any]:
    """Photos with captions → pairs → tokenizer → a model folder that open_clip loads; returns the facts of the training.

    photos: a folder of photos with a caption file, or webdataset tars. output: the model folder, written whole at the end;
    replace: also where another training lies there;
    a training that was killed goes on when it is called again. captions: the caption file, where it is
    not in the folder; None leaves links.captions of the recipe. recipe: a name, or a `Recipe`; None is laptop, or finetune where the settings
    name a model to go on from (training.init_from). settings: on top of it, {"training.epochs": 3} or ["training.epochs=3"]. device: cpu, cuda, mps or auto; None leaves the
    recipe's. progress: show bars
    on a terminal. Facts: steps, validation loss and more, as `train_clip` gives them; empty in a process of torchrun's that is not
    the first. The loss is that of Radford et al. 2021, or Zhai et al. 2023. Raises PhotosError or CaptionsError for unusable
    input, TrainingError, SettingsError.
    """
    import pyarrow.parquet as pq

    from clip_pipeline.models.registry import context_length_of
    from clip_pipeline.models.text_pooling import reads_bytes
    from clip_pipeline.sources.hub import without_waiting
    from clip_pipeline.sources.tables.caption_lines import caption_lines
    from clip_pipeline.text.captions import write_corpus
    from clip_pipeline.text.tokenizer_folder import train_tokenizer
    from clip_pipeline.training.distributed import joined_processes
    from clip_pipeline.training.options import architecture_of

    chosen, output = own_photos_recipe(recipe, settings, device), Path(output)
    architecture = architecture_of(chosen.training, chosen.pooling)
    context_length = context_length_of(architecture)
    with shown_progress(progress), joined_processes() as processes:
        if not processes.first:
            processes.wait()  # until the first one has put pairs, tokenizer and images into its work folder
            work = work_folder_of(output)
            _train(pq.read_table(work / "pairs.parquet"), work, chosen, output, processes)
            return {}
        sections = ("links", "download", "pairs", "tokenizer", "training", "pooling")
        made = made_by("train", {"photos": photos, "captions": captions, "recipe": chosen.name}, chosen, sections)
        with published_folder(output, made, replace) as (folder, work):
            pairs = pairs_of_folder(photos, captions, chosen, work)
            pq.write_table(pairs, work / "pairs.parquet")
            say(_what_is_trained(photos, len(pairs), chosen, architecture, recipe is not None))
            training = [row["caption"] for row in pairs.to_pylist() if row["split"] == "train"]
            write_corpus(training, work / "captions.txt")
            if not chosen.training.init_from and not reads_bytes(architecture):  # those need none
                lines = partial(caption_lines, work / "captions.txt")
                train_tokenizer(lines, chosen.tokenizer, context_length, work / "tokenizer", without_waiting)
            processes.wait()
            facts = _train(pairs, work, chosen, folder, processes)
            (folder / "recipe.json").write_text(settings_text(chosen) + "\n", encoding="utf-8")
    return facts


def _what_is_trained(photos: str | Path, pairs: int, recipe: Recipe, architecture: dict[str, Any], named: bool) -> str:
    """What was chosen, by whom: a recipe that nobody named is not followed in silence."""
    training = recipe.training
    model = f"{training.init_from} further" if training.init_from else training.model
    size = architecture["vision_cfg"].get("image_size", 224)
    sides = size if isinstance(size, list | tuple) else [size]
    line = f"Training {model} on {photos} ({pairs:,} pairs) by the recipe {recipe.name}: images of {' x '.join(map(str, sides))} pixels."
    if not named:
        line += f" Nobody named a recipe, and {recipe.name} is the one for photos of your own; --recipe names another."
    if recipe.name in ("sandbox", "tiny"):
        line += f" It is made for the small generated world; for photos of your own leave --recipe {recipe.name} away."
    stored = recipe.download.image_size
    if recipe.download.resize != "original" and stored < max(sides):
        line += (
            f" Photos are stored at {stored} pixels, fewer than it sees: set download.image_size={max(sides)} or more."
        )
    return line


def _train(pairs: pa.Table, work: Path, recipe: Recipe, folder: Path, processes: Processes) -> dict[str, Any]:
    from clip_pipeline.training.train import train_clip

    photos = _photos_to_train_on(pairs, work, recipe)
    state = work / "training"
    return train_clip(
        pairs,
        photos,
        work / "tokenizer",
        recipe.training,
        recipe.compute,
        state,
        folder,
        processes,
        pooling=recipe.pooling,
    )


def pairs_of_folder(photos: str | Path, captions: str | None, recipe: Recipe, work: Path) -> pa.Table:
    """Checks and stores the photos as shards below `work`, as the pipeline does, and returns their IMAGE_TEXT_PAIRS."""
    import pyarrow.parquet as pq

    from clip_pipeline.images.download.into_shards import download_listed
    from clip_pipeline.images.pairs import build_pairs
    from clip_pipeline.sources.fetch import PhotoFetcher
    from clip_pipeline.sources.photos.captions import CaptionOptions
    from clip_pipeline.sources.photos.formats.folder import FolderPhotos, check_captions
    from clip_pipeline.sources.photos.formats.tar_paths import is_tar_pattern, tar_root
    from clip_pipeline.sources.photos.open import open_photos
    from clip_pipeline.text.captions import clean_caption

    photos = Path(photos)
    if not is_tar_pattern(photos) and not photos.exists():
        raise PhotosError(f"There is no {photos}. Give a folder of photos with a caption file, or of webdataset tars.")
    links = recipe.links
    options = CaptionOptions(captions or links.captions, (), links.splits, links.file_key, links.caption_keys)
    unread = LeftOut()
    opened = open_photos(photos, options, kind="tars" if photos.is_file() else "", say=False)
    listed: Iterable[pa.Table] = opened.table(unread)
    if isinstance(opened, FolderPhotos):
        listed = list(listed)
        check_captions(listed, photos, options)
    with PhotoFetcher(recipe.download, {}, tar_root(photos)) as fetcher:
        download_listed(listed, work, recipe.download, fetcher, recipe.compute.workers)
    tables = [pq.read_table(path) for path in sorted(work.glob("[0-9]*.parquet"))]
    settings = recipe.pairs
    pairs, dropped = build_pairs(tables, settings, lambda text: clean_caption(text, settings.max_caption_chars))
    unread.say(str(photos))
    dropped.say("the pairs")
    return pairs


def _photos_to_train_on(pairs: pa.Table, work: Path, recipe: Recipe) -> Iterator[tuple[str, bytes]] | ShardPhotos:
    """(photo id, JPEG bytes) of the photos that the pairs name, or where they lie, in the shards below `work`."""
    from clip_pipeline.sources.photos.formats.tar_index import read_photos
    from clip_pipeline.training.data.shard_images import shard_photos

    tars = {shard: work / f"{shard}.tar" for shard in sorted(set(pairs["shard"].to_pylist()))}
    if not recipe.training.cache_decoded_images:
        return shard_photos(pairs, tars)
    return read_photos(tars.values(), dict(zip(pairs["key"].to_pylist(), pairs["photo_id"].to_pylist(), strict=True)))
