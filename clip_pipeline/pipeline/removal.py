"""Photos out of what is stored in a data folder, whatever the settings of today and whoever can be reached.

The catalog and the shards are written anew from what they hold. What was made of them is built again, or removed where it cannot be:
the next run builds it then. A take-down that was killed has left a file that says what it took upon itself (`images/takedown.py`), and
whoever comes next brings it to its end: another take-down, a run, `status`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from clip_pipeline.errors import ClipPipelineError, InputError, MissingArtifactError
from clip_pipeline.images.catalog_without import write_catalog_without
from clip_pipeline.images.takedown import Takedowns, begun_take_down, end_take_down, has_begun_take_down
from clip_pipeline.pipeline.asset import Asset
from clip_pipeline.pipeline.assets import ASSETS
from clip_pipeline.pipeline.checks.evaluate import forget_checks
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.outcomes import AssetOutcome
from clip_pipeline.pipeline.stages import artifact_key, find_asset
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.manifest import Artifact, ArtifactKey, Built

logger = logging.getLogger(__name__)

CATALOG, SHARDS, PAIRS = "photo_catalog", "image_shards", "image_text_pairs"
REWRITTEN = (CATALOG, SHARDS)
HELD_OUT = "held_out"
"""The dataset of photos that were kept from the training."""


def end_begun_take_down(workspace: Workspace, rebuild: bool = True) -> None:
    """Brings a take-down that was killed to its end, where there is one. rebuild: build again what was made of the photos, where today's
    settings are those of the catalog; else it is removed."""
    if not has_begun_take_down(workspace.store.root):
        return
    logger.warning("A take-down was interrupted in %s; it is brought to its end first.", workspace.store.root)
    with workspace.store.alone():
        remove_begun(workspace, rebuild)


def remove_begun(
    workspace: Workspace, rebuild: bool, on_done: Callable[[AssetOutcome], None] = lambda outcome: None
) -> list[AssetOutcome]:
    """Takes the photos of the take-down that has begun out of everything; returns what was built again. Call it with the store `alone`."""
    whole = workspace.as_on_disk()
    gone = begun_take_down(whole.store.root)
    if gone is None:
        return []
    _rewrite_catalog_and_shards(whole, gone)
    _forget_unfinished(whole.store, gone)
    outcomes = _renew(whole, rebuild and not why_catalog_is_stale(whole), on_done)
    forget_checks(whole.store)
    end_take_down(whole.store.root)
    return outcomes


def why_catalog_is_stale(workspace: Workspace) -> str:
    """Why the catalog is not that of today's settings and list; "" also where its source cannot be asked."""
    try:
        return workspace.store.why_stale(artifact_key(CATALOG), STEPS[CATALOG].wanted(workspace))
    except MissingArtifactError as error:
        return error.found.removesuffix(".")
    except (InputError, OSError):
        return ""


def stored_shards(store: Store) -> list[Artifact]:
    """All shards on the disk, those too that the catalog has no more."""
    found = (store.find(artifact_key(SHARDS, shard)) for shard in store.partitions(find_asset(SHARDS).stage, SHARDS))
    return [artifact for artifact in found if artifact is not None]


def journals_folder(store: Store) -> Path:
    """Where the journals of unfinished shards lie."""
    return store.root / ".work" / artifact_key(SHARDS).relative


# ---- catalog and shards


def _rewrite_catalog_and_shards(workspace: Workspace, gone: Takedowns) -> None:
    from clip_pipeline.images.download.take_out import without
    from clip_pipeline.storage.disk import hash_file

    store = workspace.store
    catalog = store.find(artifact_key(CATALOG))
    if catalog is None:
        store.remove(artifact_key(CATALOG))
        _rewrite_shards(store, gone, {})
        return

    def write(folder: Path) -> Built:
        counts = write_catalog_without(catalog.folder, lambda rows: without(rows, gone), folder)
        # The shards first: as long as the catalog is the old one it tells which of them were made from it.
        new = {path.name: hash_file(path) for path in (folder / "shards").iterdir()}
        old = {path.name: hash_file(path) for path in (catalog.folder / "shards").iterdir()}
        _rewrite_shards(store, gone, {old[name]: new.get(name, "") for name in old})
        taken = catalog.facts.get("taken down", 0) + counts["gone"]
        rows = {**catalog.rows, "photos": counts["photos"], "shards": counts["shards"]}
        return Built(rows=rows, facts={**catalog.facts, "taken down": taken})

    store.rewrite(catalog, workspace.takedowns().inputs(), write)


def _rewrite_shards(store: Store, gone: Takedowns, new_hashes: dict[str, str]) -> None:
    """new_hashes: of the catalog's files, by the old ones."""
    for shard in _shards_on_the_disk(store):
        key = artifact_key(SHARDS, shard)
        artifact = store.find(key)
        if artifact is not None:
            _rewrite_shard(store, artifact, gone, new_hashes)
        elif _may_hold(store.folder(key), shard, gone):
            store.remove(key)


def _rewrite_shard(store: Store, artifact: Artifact, gone: Takedowns, new_hashes: dict[str, str]) -> None:
    from clip_pipeline.images.download.outage import lack_of
    from clip_pipeline.images.download.take_out import rows_of_shard, without, write_shard_of

    shard = artifact.key.partition
    rows = rows_of_shard(artifact.folder, shard)
    kept = without(rows, gone)
    if len(kept) == len(rows):
        return
    if len(kept) == 0:
        store.remove(artifact.key)
        return

    def write(folder: Path) -> Built:
        stats = write_shard_of(kept, artifact.folder, shard, folder, lack_of(artifact.facts))
        return Built(rows={"tried": len(kept), "photos": stats["status"].get("success", 0)}, facts=stats)

    inputs = {name: new_hashes.get(value, value) for name, value in artifact.manifest["inputs"].items()}
    store.rewrite(artifact, inputs, write)


def _shards_on_the_disk(store: Store) -> list[str]:
    """Damaged ones and those that were set aside too."""
    folder = store.root / artifact_key(SHARDS).relative
    return sorted(path.name for path in folder.glob("[!.]*/"))


def _may_hold(folder: Path, shard: str, gone: Takedowns) -> bool:
    """Of a shard whose manifest is damaged: whether its table has one of the photos, or cannot be read."""
    from clip_pipeline.images.download.take_out import rows_of_shard

    try:
        return not gone.ids.isdisjoint(rows_of_shard(folder, shard)["id"].to_pylist())
    except (OSError, ValueError):
        return True


# ---- what was made of them


def _forget_unfinished(store: Store, gone: Takedowns) -> None:
    """What unfinished builds left: the journals of shards lose the photos alone, the rest is made again."""
    from clip_pipeline.images.download.take_out import take_out_of_journals

    take_out_of_journals(journals_folder(store), gone)
    for asset in ASSETS:
        key = ArtifactKey(asset.stage, asset.name)
        if asset.holds_photos:
            store.forget_staging(key)
        if asset.name == "benchmark_dataset":  # those of others are downloads
            store.forget_pieces(artifact_key(asset.name, HELD_OUT))
        elif asset.name != SHARDS and (_may_show_photos(asset) or asset.learnt_from_photos):
            store.forget_pieces(key)


def _may_show_photos(asset: Asset) -> bool:
    return asset.holds_photos or asset.stage in ("embedding", "adaptation")


def _renew(workspace: Workspace, rebuild: bool, on_done: Callable[[AssetOutcome], None]) -> list[AssetOutcome]:
    """What was made of the photos, in the order of the flow: built again, or removed."""
    store, outcomes = workspace.store, []
    of_photos: set[str] = set()
    for step in STEPS.values():
        if not _may_show_photos(step.asset) or step.name in REWRITTEN:
            continue
        started, outcome = time.monotonic(), AssetOutcome(step.name)
        for key in _stored(store, step.asset):
            artifact = store.find(key)
            if artifact is not None and not _is_of_photos(store, artifact, of_photos):
                continue
            of_photos.add(str(key))
            try:
                if artifact is None or not rebuild or not step.asset.holds_photos:
                    store.remove(key)
                else:
                    outcome.partitions[key.partition] = step.materialise(workspace, key.partition)
            except (ClipPipelineError, OSError) as error:
                store.remove(key)
                logger.warning(
                    "%s cannot be built without the photo now (%s); it was removed, and the next run builds it.",
                    key,
                    error,
                )
        if outcome.partitions:
            outcome.seconds = time.monotonic() - started
            outcomes.append(outcome)
            on_done(outcome)
    return outcomes


def _stored(store: Store, asset: Asset) -> Iterator[ArtifactKey]:
    from clip_pipeline.storage.manifest_file import SET_ASIDE

    place = store.root / asset.stage / asset.name
    aside = {"|".join(path.parent.relative_to(place).parts) for path in place.rglob(SET_ASIDE)}
    for partition in sorted({*store.partitions(asset.stage, asset.name), *aside}):
        yield ArtifactKey(asset.stage, asset.name, partition)


def _is_of_photos(store: Store, artifact: Artifact, of_photos: set[str]) -> bool:
    """Whether the inputs of an artifact lead to the shards. An input that is not there any more may have been removed just now."""
    for name in artifact.manifest["inputs"]:
        asset, _, rest = name.partition("[")
        asset = asset.partition("/")[0]
        if asset in (*REWRITTEN, PAIRS):
            return True
        if asset not in STEPS or not _may_show_photos(STEPS[asset].asset):
            continue
        partition = rest.removesuffix("]") if rest else artifact.key.partition
        keys = [artifact_key(asset, partition), artifact_key(asset)]
        if any(str(key) in of_photos for key in keys) or not any(store.find(key) for key in keys):
            return True
    return False
