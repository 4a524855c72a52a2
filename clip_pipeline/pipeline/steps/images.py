"""image_links → photo_catalog → image_shards → image_text_pairs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.images.download.reuse import SHARDS_VERSION
from clip_pipeline.pipeline.photo_sources.listed import OWN_SOURCES, photo_source
from clip_pipeline.pipeline.photo_sources.searched import SEARCHED_SOURCES, SearchedPhotos
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.steps.words import bucket_keys
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import fingerprinted
from clip_pipeline.storage.artifacts import Artifact, Built

if TYPE_CHECKING:
    import pyarrow as pa

    from clip_pipeline.images.download.reuse import PreviousShard

READ_ROWS = 16_384
"""Rows of a table that are in memory at a time."""

# ---- image_links: one partition a bucket of words


def _links_config(workspace: Workspace) -> dict[str, Any]:
    return photo_source(workspace).config()


def _links_inputs(workspace: Workspace, bucket: str) -> dict[str, str]:
    source = photo_source(workspace)
    return source.word_inputs(bucket) | source.identity()


def _build_links(workspace: Workspace, bucket: str, folder: Path, work: Path) -> Built:
    words = workspace.get("vocabulary").file(f"buckets/{bucket}.txt").read_text().split()
    links, facts = photo_source(workspace).links(words, folder, work, bucket)
    return Built(rows={"words": len(words), "links": links}, facts=facts)


# ---- photo_catalog: one row a photo; one file a shard, so that a new photo touches one shard


def _catalog_inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    links = {
        f"image_links[{bucket}]": workspace.get("image_links", bucket).content for bucket in bucket_keys(workspace)
    }
    return links | photo_source(workspace).identity() | workspace.takedowns().inputs()


def _build_catalog(workspace: Workspace, partition: str, folder: Path, work: Path) -> Built:
    from clip_pipeline.images.catalog import write_catalog

    photos_per_shard = workspace.recipe.download.photos_per_shard
    counts = write_catalog(_all_links(workspace), photos_per_shard, folder, workspace.takedowns().ids)
    facts = {name: counts[name] for name in ("same url", "taken down")}
    return Built(rows={name: counts[name] for name in ("photos", "links", "shards")}, facts=facts)


def _all_links(workspace: Workspace) -> Iterator[pa.Table]:
    """IMAGE_LINKS of every word and of the photos without one, in pieces."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for bucket in bucket_keys(workspace):
        with pq.ParquetFile(workspace.get("image_links", bucket).file("links.parquet")) as file:
            for batch in file.iter_batches(READ_ROWS):
                yield pa.Table.from_batches([batch])
    yield from photo_source(workspace).photos_without_word()


# ---- image_shards: one partition a shard


def shard_keys(workspace: Workspace) -> list[str]:
    """Partitions of the photos: the shards that the catalog names now."""
    names = workspace.get("photo_catalog").manifest["files"]
    return sorted(Path(name).stem for name in names if name.startswith("shards/"))


def shard_hashes(workspace: Workspace) -> dict[str, str]:
    """Hashes of the tars, for steps that read the photos themselves."""
    return {
        f"image_shards[{shard}]": workspace.get("image_shards", shard).file_hash(f"{shard}.tar")
        for shard in shard_keys(workspace)
    }


def _shard_inputs(workspace: Workspace, shard: str) -> dict[str, str]:
    catalog = workspace.get("photo_catalog")
    inputs = {f"photo_catalog/{shard}": catalog.file_hash(f"shards/{shard}.parquet")}
    if workspace.recipe.links.source in OWN_SOURCES:
        inputs |= photo_source(workspace).identity()
    return inputs


def _shards_config(workspace: Workspace) -> dict[str, Any]:
    return fingerprinted(workspace.recipe.download)


def _build_shard(workspace: Workspace, shard: str, folder: Path, work: Path) -> Built:
    import pyarrow.parquet as pq

    from clip_pipeline.images.download.decode_pool import shared_decoders
    from clip_pipeline.images.download.shard import download_shard

    recipe = workspace.recipe
    rows = pq.read_table(workspace.get("photo_catalog").file(f"shards/{shard}.parquet"))
    with photo_source(workspace).fetcher() as fetcher:
        stats = download_shard(
            rows,
            folder,
            recipe.download,
            fetcher,
            work=work,
            decoders=shared_decoders(recipe.compute.workers),
            previous=_previous_shard(workspace, shard),
            taken_down=workspace.takedowns().sha256s,
        )
    return Built(rows={"tried": len(rows), "photos": stats["status"].get("success", 0)}, facts=stats)


def _previous_shard(workspace: Workspace, shard: str) -> PreviousShard | None:
    """The shard that is there now, where it was made in the same way from the same files of the user, and is whole."""
    from clip_pipeline.images.download.reuse import PreviousShard

    old = workspace.store.find(artifact_key("image_shards", shard))
    if old is None or not workspace.recipe.download.reuse or workspace.store.verify(old):
        return None
    inputs = _shard_inputs(workspace, shard)
    links = f"photo_catalog/{shard}"
    same_files = all(old.manifest["inputs"].get(name) == value for name, value in inputs.items() if name != links)
    same_way = old.manifest["code_version"] == SHARDS_VERSION and old.manifest["config"] == _shards_config(workspace)
    return PreviousShard(old.folder, shard) if same_files and same_way else None


def _tell_downloads(workspace: Workspace, shard: Artifact) -> None:
    if workspace.recipe.links.source in SEARCHED_SOURCES:
        SearchedPhotos(workspace).tell_downloads(shard)


# ---- image_text_pairs: the index that training depends on


def _pairs_inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    # One file a shard stands for its photos: it holds the sha256 of each. Training reads this asset and the tars.
    return {
        f"image_shards[{shard}]": workspace.get("image_shards", shard).file_hash(f"{shard}.parquet")
        for shard in shard_keys(workspace)
    }


def _build_pairs(workspace: Workspace, partition: str, folder: Path, work: Path) -> Built:
    import pyarrow.csv
    import pyarrow.parquet as pq

    from clip_pipeline.images.pairs import build_pairs
    from clip_pipeline.records import SHARD_ATTEMPTS
    from clip_pipeline.text.captions import clean_caption

    tables = (
        # columns that an older shard lacks are null
        pq.read_table(workspace.get("image_shards", shard).file(f"{shard}.parquet"), schema=SHARD_ATTEMPTS)
        for shard in shard_keys(workspace)
    )
    settings = workspace.recipe.pairs
    pairs, reasons = build_pairs(tables, settings, lambda text: clean_caption(text, settings.max_caption_chars))
    pq.write_table(pairs, folder / "pairs.parquet", compression="zstd")
    pyarrow.csv.write_csv(pairs, folder / "pairs.csv")
    # open_clip's trainer looks for it beside the first tar it is given: copy it there, or add the numbers up for
    # --train-num-samples. It cannot lie there by itself, for a shard that changes must leave the others as they are.
    sizes = {f"{shard}.tar": workspace.get("image_shards", shard).rows["photos"] for shard in shard_keys(workspace)}
    (folder / "sizes.json").write_text(json.dumps(sizes, indent=1, sort_keys=True) + "\n")
    return Built(rows=_rows_by_split(pairs), facts={"dropped": reasons})


def _rows_by_split(pairs: pa.Table) -> dict[str, int]:
    counts = {"pairs": len(pairs), "photos": len(set(pairs["photo_id"].to_pylist()))}
    for entry in pairs["split"].value_counts().to_pylist():
        counts[entry["values"]] = entry["counts"]
    return counts


STEPS = (
    Step(
        asset="image_links",
        about="One row per word and photo found for it, with the pages of the search beside it.",
        code_version="4",
        after=("vocabulary",),
        config=_links_config,
        inputs=_links_inputs,
        build=_build_links,
        partitions=bucket_keys,
    ),
    Step(
        asset="photo_catalog",
        about="One row a photo: captions, words, licence, attribution and the shard it belongs to.",
        code_version="3",
        after=("image_links",),
        config=lambda workspace: {"download.photos_per_shard": workspace.recipe.download.photos_per_shard},
        inputs=_catalog_inputs,
        build=_build_catalog,
    ),
    Step(
        asset="image_shards",
        about="Photos as webdataset tars, with the status of every photo that was tried.",
        code_version=SHARDS_VERSION,
        after=("photo_catalog",),
        config=_shards_config,
        inputs=_shard_inputs,
        build=_build_shard,
        partitions=shard_keys,
        follow_up=_tell_downloads,
    ),
    Step(
        asset="image_text_pairs",
        about="Valid pairs of photo and caption, split so that near-duplicates stay on one side.",
        code_version="4",
        after=("image_shards",),
        config=lambda workspace: fingerprinted(workspace.recipe.pairs),
        inputs=_pairs_inputs,
        build=_build_pairs,
    ),
)
