"""benchmark_dataset: photos to score on, one partition a dataset.

What the pipeline makes itself lies in the artifact, in CLIP_benchmark's layout. Of a dataset of the registry or of the user's own
the artifact holds the list of its photos (id, split, label or captions, sha256); the photos stay where they are.
"""

from __future__ import annotations

import functools
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clip_pipeline.errors import PhotosError
from clip_pipeline.pipeline.builder import BuildContext, Builder
from clip_pipeline.pipeline.partitions import shard_keys
from clip_pipeline.pipeline.photo_sources.user_files import user_files_identity
from clip_pipeline.pipeline.steps.images import shard_hashes
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.disk import hash_json
from clip_pipeline.storage.manifest import Built

if TYPE_CHECKING:
    from clip_pipeline.evaluation.datasets import Dataset
    from clip_pipeline.evaluation.datasets.choice import Choice

SANDBOX, SANDBOX_BENCHMARK = "sandbox", "http://dumps.sandbox.test/benchmarks/sandbox"


def stored_dataset(workspace: Workspace, name: str) -> Dataset:
    """The photos of a benchmark_dataset: inside the artifact, or among the user's files."""
    artifact = workspace.get("benchmark_dataset", name)
    return _open_stored(artifact.folder, (artifact.content, artifact.recorded_ns), _choice(workspace, name), name)


@functools.lru_cache(maxsize=2)
def _open_stored(folder: Path, build: tuple[str, int], choice: Choice, name: str) -> Dataset:
    """Kept until it is built anew: a run asks for it nineteen times, and each reads the headers of all members of its tars
    (2.9 of the 28 s of the recipe tiny, 2026-12-01). Two, for the lists of ids of a large one are some hundred MB."""
    from clip_pipeline.evaluation.datasets import open_dataset
    from clip_pipeline.evaluation.datasets.opening import open_choice

    return open_dataset(folder, name) if _is_made_here(choice) else open_choice(choice)


def try_to_open(workspace: Workspace, name: str) -> None:
    """Raises what a build would raise of a dataset: InputError, SettingsError, and MissingArtifactError where what it is made of
    is not there."""
    from clip_pipeline.evaluation.datasets.opening import open_choice

    choice = _choice(workspace, name)
    if _is_made_here(choice):
        _inputs(workspace, name)
    else:
        open_choice(choice)


def check_user_dataset(workspace: Workspace, name: str) -> None:
    """Opens a dataset that is made of the user's own files; of any other nothing is looked at. Raises InputError, SettingsError."""
    from clip_pipeline.evaluation.datasets.choice import path_of
    from clip_pipeline.evaluation.datasets.opening import open_choice

    choice = _choice(workspace, name)
    if not _is_made_here(choice) and path_of(choice) is not None:
        open_choice(choice)


def _choice(workspace: Workspace, name: str) -> Choice:
    """Raises SettingsError for a dataset that neither the recipe nor the data folder names."""
    from clip_pipeline.evaluation.datasets.added import find_dataset

    return find_dataset(workspace.store.root, workspace.recipe.evaluation.datasets, name)


def _is_made_here(choice: Choice) -> bool:
    from clip_pipeline.evaluation.datasets.choice import HELD_OUT

    return choice.entry in (HELD_OUT, SANDBOX)


def _inputs(workspace: Workspace, name: str) -> dict[str, str]:
    choice = _choice(workspace, name)
    if not _is_made_here(choice):
        return _inputs_of_files(workspace, choice)
    if choice.entry == SANDBOX:
        return {"sandbox.seed": str(workspace.recipe.sandbox.seed)}
    pairs = {"image_text_pairs": workspace.get("image_text_pairs").file_hash("pairs.parquet")}
    return pairs | shard_hashes(workspace)


def _inputs_of_files(workspace: Workspace, choice: Choice) -> dict[str, str]:
    from clip_pipeline.evaluation.datasets.choice import path_of
    from clip_pipeline.evaluation.datasets.entry import find_entry
    from clip_pipeline.evaluation.datasets.templates import entry_facts

    path = path_of(choice)
    entry = {"the registry's entry": hash_json(entry_facts(find_entry(choice.entry)))} if choice.entry else {}
    return entry | ({"your files": user_files_identity(workspace.user_files, path)} if path else {})


def _build(context: BuildContext) -> Built:
    from clip_pipeline.evaluation.datasets.added import keep_definition

    workspace, folder = context.workspace, context.folder
    keep_definition(workspace.store.root, workspace.recipe.evaluation.datasets, context.partition)
    choice = _choice(workspace, context.partition)
    if not _is_made_here(choice):
        return _write_list(choice, folder)
    if choice.entry != SANDBOX:
        return _write_held_out(workspace, folder)
    from clip_pipeline.sources.benchmarks import download_benchmark

    return Built(rows=download_benchmark(SANDBOX_BENCHMARK, folder, workspace.sandbox_hosts()))


def _write_list(choice: Choice, folder: Path) -> Built:
    """photos.parquet and classes.json of a dataset whose photos stay where they are."""
    from clip_pipeline.evaluation.datasets.listing import write_listing
    from clip_pipeline.evaluation.datasets.opening import open_choice

    dataset = open_choice(choice)
    write_listing(dataset, folder)
    facts: dict[str, Any] = {
        "task": dataset.task,
        "classes": len(dataset.class_names),
        "where": choice.path or "built in",
    }
    facts |= ({"part": dataset.part} if dataset.part else {}) | dataset.left_out.facts()
    return Built(rows=dict(Counter(dataset.splits)), facts=facts)


def _write_held_out(workspace: Workspace, folder: Path) -> Built:
    """The test split of the pairs: test/0.tar with a photo and its captions, one a line, for each photo."""
    import pyarrow.parquet as pq

    from clip_pipeline.evaluation.datasets import held_out_captions
    from clip_pipeline.images.shards.tar import ShardWriter
    from clip_pipeline.sources.photos.formats.tar_index import read_shard
    from clip_pipeline.sources.photos.formats.tar_keys import photo_ending

    pairs = pq.read_table(workspace.get("image_text_pairs").file("pairs.parquet"))
    captions_of = dict(held_out_captions(pairs))
    if not captions_of:
        raise PhotosError(
            "No pair is in the test split, which the dataset held_out is made of: your source has splits, and none of them is a "
            "test. Name one (links.splits, or Karpathy's dataset_coco.json), set links.splits=none so that the pipeline "
            "splits, or evaluate on another dataset (evaluation.datasets)."
        )
    id_of = dict(zip(pairs["key"].to_pylist(), pairs["photo_id"].to_pylist(), strict=True))
    (folder / "test").mkdir()
    with ShardWriter(folder / "test" / "0.tar") as tar:  # shards and their photos are in the order of the keys
        for shard in shard_keys(workspace):
            for key, members in read_shard(workspace.get("image_shards", shard).file(f"{shard}.tar")):
                if id_of.get(key) in captions_of:
                    ending = photo_ending(members)
                    texts = "\n".join(captions_of[id_of[key]])
                    tar.add(key, {ending: members[ending], "txt": texts.encode()})
    (folder / "test" / "nshards.txt").write_text("1\n")
    return Built(rows={"test": tar.samples, "captions": sum(map(len, captions_of.values()))})


BUILDERS = {
    "benchmark_dataset": Builder(
        config=lambda workspace: {},
        inputs=_inputs,
        build=_build,
    ),
}
