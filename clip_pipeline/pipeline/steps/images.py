"""image_links → photo_catalog → image_shards → image_text_pairs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.display.left_out import FACT, LeftOut
from clip_pipeline.images.download.outage import add_tries, lack_of, now_utc
from clip_pipeline.images.download.reuse import SHARDS_VERSION
from clip_pipeline.images.photos_left_out import PREFIX, count_statuses
from clip_pipeline.pipeline.builder import BuildContext, Builder, Incomplete
from clip_pipeline.pipeline.partitions import bucket_keys, shard_keys
from clip_pipeline.pipeline.photo_sources.registry import photo_source, source_class
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.records import PHOTO_STATUSES
from clip_pipeline.settings import fingerprinted
from clip_pipeline.settings.fields import speed_settings
from clip_pipeline.storage.disk import hash_json
from clip_pipeline.storage.manifest import Artifact, Built
from clip_pipeline.storage.scratch import shared_pieces

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


def _build_links(context: BuildContext) -> Built:
    workspace, bucket = context.workspace, context.partition
    words = workspace.get("vocabulary").file(f"buckets/{bucket}.txt").read_text().split()
    links, facts = photo_source(workspace).links(
        words, bucket, context.folder, context.work, context.forced, context.first
    )
    return Built(rows={"words": len(words), "links": links}, facts=facts)


# ---- photo_catalog: one row a photo; one file a shard, so that a new photo touches one shard


def _catalog_inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    links = {
        f"image_links[{bucket}]": workspace.get("image_links", bucket).content
        for bucket in bucket_keys(workspace.recipe)
    }
    return links | photo_source(workspace).identity() | workspace.takedowns().inputs()


def _build_catalog(context: BuildContext) -> Built:
    from clip_pipeline.images.catalog import write_catalog

    workspace = context.workspace
    photos_per_shard = workspace.recipe.download.photos_per_shard
    counts = write_catalog(_all_links(workspace), photos_per_shard, context.folder, workspace.takedowns().ids)
    facts: dict[str, Any] = {name: counts[name] for name in ("same url", "taken down")}
    if counts["taken down"]:
        facts[FACT] = [("photo taken_down", counts["taken down"], "", "")]
    return Built(rows={name: counts[name] for name in ("photos", "links", "shards")}, facts=facts)


def _all_links(workspace: Workspace) -> Iterator[pa.Table]:
    """IMAGE_LINKS of every word and of the photos without one, in pieces."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for bucket in bucket_keys(workspace.recipe):
        with pq.ParquetFile(workspace.get("image_links", bucket).file("links.parquet")) as file:
            for batch in file.iter_batches(READ_ROWS):
                yield pa.Table.from_batches([batch])
    yield from photo_source(workspace).photos_without_word()


# ---- image_shards: one partition a shard


def shard_hashes(workspace: Workspace) -> dict[str, str]:
    """Hashes of the tars, for steps that read the photos themselves."""
    return {
        f"image_shards[{shard}]": workspace.get("image_shards", shard).file_hash(f"{shard}.tar")
        for shard in shard_keys(workspace)
    }


def _shard_inputs(workspace: Workspace, shard: str) -> dict[str, str]:
    catalog = workspace.get("photo_catalog")
    inputs = {f"photo_catalog/{shard}": catalog.file_hash(f"shards/{shard}.parquet")}
    if source_class(workspace.recipe).photos_are_user_files:
        inputs |= photo_source(workspace).identity()
    return inputs


def _shards_config(workspace: Workspace) -> dict[str, Any]:
    return fingerprinted(workspace.recipe.download)


def _build_shard(context: BuildContext) -> Built:
    import pyarrow.parquet as pq

    from clip_pipeline.images.download.decode_pool import shared_decode_pool
    from clip_pipeline.images.download.shard import download_shard

    workspace, shard = context.workspace, context.partition
    recipe = workspace.recipe
    rows = pq.read_table(workspace.get("photo_catalog").file(f"shards/{shard}.parquet"))
    old = workspace.store.find(artifact_key("image_shards", shard))
    with photo_source(workspace).fetcher() as fetcher:
        stats = download_shard(
            rows,
            context.folder,
            recipe.download,
            fetcher,
            work=_journal(workspace, shard, context.work),
            decoders=shared_decode_pool(recipe.compute.workers),
            previous=None if old is None else _previous_shard(workspace, shard, old),
            taken_down=workspace.takedowns().sha256s,
        )
    add_tries(stats, None if old is None else lack_of(old.facts))
    left_out = LeftOut()
    attempts = context.folder / f"{shard}.parquet"
    count_statuses(pq.read_table(attempts, columns=["id", "status", "error_message"]), left_out)
    facts = stats | ({FACT: left_out.rows()} if left_out.rows() else {})
    return Built(rows={"tried": len(rows), "photos": stats["status"].get("success", 0)}, facts=facts)


def _journal(workspace: Workspace, shard: str, work: Path) -> Path:
    """Where the finished attempts of an unfinished shard lie: a changed limit does not lose them, only another form or other files."""
    form = [SHARDS_VERSION, workspace.recipe.download.form(), _user_files_of(_shard_inputs(workspace, shard))]
    return shared_pieces(work.parent, hash_json(form)[:16])


def _user_files_of(inputs: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in inputs.items() if not name.startswith("photo_catalog/")}


def _previous_shard(workspace: Workspace, shard: str, old: Artifact) -> PreviousShard | None:
    """The shard that is there now, where it was made from the same files of the user, and is whole."""
    from clip_pipeline.images.download.reuse import PreviousShard

    same_files = _user_files_of(old.manifest["inputs"]) == _user_files_of(_shard_inputs(workspace, shard))
    if not same_files or workspace.store.verify(old):
        return None
    settings, form = workspace.recipe.download, workspace.recipe.download.form()
    same_form = {name: old.manifest["config"].get(name) for name in form} == form
    same_form = same_form and old.manifest["code_version"] == SHARDS_VERSION
    return PreviousShard(old.folder, shard, settings, same_form=same_form, ask_again=not settings.reuse)


def _what_shard_lacks(workspace: Workspace, shard: Artifact) -> Incomplete | None:
    lack = lack_of(shard.facts)
    if lack is None:
        return None
    minutes, now = workspace.recipe.download.retry_minutes, now_utc()
    return Incomplete(lack.sentence(minutes, now), lack.is_due(minutes, now), lack.photos)


def _report_downloads(workspace: Workspace, shard: Artifact) -> None:
    if source_class(workspace.recipe).wants_reports:
        photo_source(workspace).report_downloads(shard)


# ---- image_text_pairs: the index that training depends on


def _pairs_inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    # One file a shard stands for its photos: it holds the sha256 of each. Training reads this asset and the tars.
    return {
        f"image_shards[{shard}]": workspace.get("image_shards", shard).file_hash(f"{shard}.parquet")
        for shard in shard_keys(workspace)
    }


def _build_pairs(context: BuildContext) -> Built:
    import pyarrow.csv
    import pyarrow.parquet as pq

    from clip_pipeline.images.pairs import build_pairs
    from clip_pipeline.records import SHARD_ATTEMPTS
    from clip_pipeline.text.captions import clean_caption

    workspace, folder = context.workspace, context.folder
    tables = (
        # columns that an older shard lacks are null
        pq.read_table(workspace.get("image_shards", shard).file(f"{shard}.parquet"), schema=SHARD_ATTEMPTS)
        for shard in shard_keys(workspace)
    )
    settings = workspace.recipe.pairs
    pairs, left_out = build_pairs(tables, settings, lambda text: clean_caption(text, settings.max_caption_chars))
    pq.write_table(pairs, folder / "pairs.parquet", compression="zstd")
    pyarrow.csv.write_csv(pairs, folder / "pairs.csv")
    # open_clip's trainer looks for it beside the first tar it is given: copy it there, or add the numbers up for
    # --train-num-samples. It cannot lie there by itself, for a shard that changes must leave the others as they are.
    sizes = {f"{shard}.tar": workspace.get("image_shards", shard).rows["photos"] for shard in shard_keys(workspace)}
    (folder / "sizes.json").write_text(json.dumps(sizes, indent=1, sort_keys=True) + "\n")
    facts: dict[str, Any] = {"dropped": dict(sorted(left_out.items()))}
    own = [
        row for row in left_out.rows() if row[0].removeprefix(PREFIX) not in PHOTO_STATUSES
    ]  # those are of image_shards
    facts |= {FACT: own} if own else {}
    return Built(rows=_rows_by_split(pairs), facts=facts)


def _rows_by_split(pairs: pa.Table) -> dict[str, int]:
    counts = {"pairs": len(pairs), "photos": len(set(pairs["photo_id"].to_pylist()))}
    for entry in pairs["split"].value_counts().to_pylist():
        counts[entry["values"]] = entry["counts"]
    return counts


BUILDERS = {
    "image_links": Builder(
        config=_links_config,
        inputs=_links_inputs,
        build=_build_links,
        speed=("links.requests_per_hour", "links.ledger", "links.max_wait", "download.contact"),
    ),
    "photo_catalog": Builder(
        config=lambda workspace: {"download.photos_per_shard": workspace.recipe.download.photos_per_shard},
        inputs=_catalog_inputs,
        build=_build_catalog,
    ),
    "image_shards": Builder(
        config=_shards_config,
        inputs=_shard_inputs,
        build=_build_shard,
        follow_up=_report_downloads,
        incomplete=_what_shard_lacks,
        speed=("compute.workers", *speed_settings("download"), "links.count_downloads", "links.ledger"),
    ),
    "image_text_pairs": Builder(
        config=lambda workspace: fingerprinted(workspace.recipe.pairs),
        inputs=_pairs_inputs,
        build=_build_pairs,
    ),
}
