"""wikipedia_dump → word_counts → vocabulary."""

from __future__ import annotations

import json
from pathlib import Path

from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.recipes import WikipediaSettings, fingerprinted
from clip_pipeline.store import Artifact, Built

SANDBOX_MIRROR = "http://dumps.sandbox.test"
REMOTE_DUMPS = ("sandbox", "mirror")


# ---- wikipedia_dump: the dump's name, date, size, sha256 and parts; a file of the user's own is observed, not copied


def _dump_config(workspace: Workspace) -> dict:
    settings = workspace.recipe.wikipedia
    config = fingerprinted(settings)
    if settings.dump == "sandbox":
        config |= {"sandbox.seed": workspace.recipe.sandbox.seed, "sandbox.articles": workspace.recipe.sandbox.articles}
    return config


def _dump_inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    """A remote dump is known by its date; "latest" is asked for again only when the asset is forced (the schedule does)."""
    dump = workspace.recipe.wikipedia.dump
    if dump in REMOTE_DUMPS:
        return {}
    from clip_pipeline.sources.dump_files import require_dump_file

    return {"the dump file": workspace.store.hash_own_file(require_dump_file(Path(dump)))}


def _build_dump(workspace: Workspace, partition: str, folder: Path, work: Path) -> Built:
    from clip_pipeline.sources.dump_files import describe_dump

    settings = workspace.recipe.wikipedia
    path = _fetch_dump(workspace, settings, work, folder) if settings.dump in REMOTE_DUMPS else Path(settings.dump)
    dump = describe_dump(path, settings.parts)
    parts = folder / "parts"
    parts.mkdir()
    for part in dump.parts:
        (parts / f"{part.key}.json").write_text(json.dumps({"sha256": dump.sha256, **part.as_json()}, sort_keys=True))
    inside = path.is_relative_to(folder)
    (folder / "dump.json").write_text(json.dumps(dump.as_json(), indent=1, sort_keys=True))
    (folder / "location.txt").write_text(path.name if inside else str(path.expanduser().absolute()))
    return Built(
        rows={"parts": len(dump.parts)},
        facts={"name": dump.name, "date": dump.date, "bytes": dump.size, "sha256": dump.sha256},
        sidecars=("location.txt",),
    )


def _fetch_dump(workspace: Workspace, settings: WikipediaSettings, work: Path, folder: Path) -> Path:
    """Downloads into the work folder, where a killed download goes on, and links the finished file into `folder`."""
    import os
    from dataclasses import replace

    from clip_pipeline.sources.wikipedia import download_dump

    hosts = {}
    if settings.dump == "sandbox":
        hosts, settings = workspace.sandbox_hosts(), replace(settings, mirror=SANDBOX_MIRROR)
    downloaded = download_dump(settings, work, hosts, workspace.recipe.download.contact)
    os.link(downloaded, folder / downloaded.name)
    return folder / downloaded.name


def dump_location(artifact: Artifact) -> Path:
    """Where the described dump lies: inside the artifact, or the user's own file."""
    return artifact.folder / (artifact.folder / "location.txt").read_text()


# ---- word_counts: one partition a part of the dump


def dump_parts(workspace: Workspace) -> list[str]:
    """Partitions of the dump: part-000, part-001, ..."""
    dump = workspace.get("wikipedia_dump")
    return [Path(name).stem for name in sorted(dump.manifest["files"]) if name.startswith("parts/")]


def _build_counts(workspace: Workspace, partition: str, folder: Path, work: Path) -> Built:
    import pyarrow.parquet as pq

    from clip_pipeline.sources.dump_files import DumpPart
    from clip_pipeline.words.count import count_part

    dump = workspace.get("wikipedia_dump")
    part = DumpPart.from_json(json.loads(dump.file(f"parts/{partition}.json").read_text()))
    counts = count_part(dump_location(dump), part, workspace.recipe.compute.workers)
    pq.write_table(counts, folder / "counts.parquet", compression="zstd")
    return Built(rows={"words": len(counts)}, facts={"occurrences": sum(counts["count"].to_pylist())})


# ---- vocabulary: the words worth a search, and the same words by bucket


def _vocabulary_config(workspace: Workspace) -> dict:
    return fingerprinted(workspace.recipe.words) | {"links.buckets": workspace.recipe.links.buckets}


def _vocabulary_inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    return {f"word_counts[{part}]": workspace.get("word_counts", part).content for part in dump_parts(workspace)}


def _build_vocabulary(workspace: Workspace, partition: str, folder: Path, work: Path) -> Built:
    import pyarrow.parquet as pq

    from clip_pipeline.images.links import bucket_of
    from clip_pipeline.words.count import merge_counts
    from clip_pipeline.words.vocabulary import select_words, write_vocabulary

    parts = dump_parts(workspace)
    tables = [pq.read_table(workspace.get("word_counts", part).file("counts.parquet")) for part in parts]
    kept, dropped = select_words(merge_counts(tables), workspace.recipe.words)
    write_vocabulary(kept, folder)
    buckets = workspace.recipe.links.buckets
    words_of_bucket: dict[int, list[str]] = {bucket: [] for bucket in range(buckets)}
    for word in kept["word"].to_pylist():
        words_of_bucket[bucket_of(word, buckets)].append(word)
    (folder / "buckets").mkdir()
    for bucket, words in words_of_bucket.items():
        (folder / "buckets" / f"{bucket:03d}.txt").write_text("".join(f"{word}\n" for word in words))
    return Built(rows={"words": len(kept)}, facts={"dropped": dropped})


def bucket_keys(workspace: Workspace) -> list[str]:
    """Partitions of the words: 000, 001, ..."""
    return [f"{bucket:03d}" for bucket in range(workspace.recipe.links.buckets)]


STEPS = (
    Step(
        asset="wikipedia_dump",
        about="The Wikipedia dump: name, date, size, sha256 and the parts it is counted in.",
        code_version="1",
        after=(),
        config=_dump_config,
        inputs=_dump_inputs,
        build=_build_dump,
    ),
    Step(
        asset="word_counts",
        about="Occurrences of every word in the article bodies of one part of the dump, and the articles it is in.",
        code_version="1",
        after=("wikipedia_dump",),
        config=lambda workspace: {},
        inputs=lambda workspace, part: {
            f"wikipedia_dump/{part}": workspace.get("wikipedia_dump").file_hash(f"parts/{part}.json")
        },
        build=_build_counts,
        partitions=dump_parts,
    ),
    Step(
        asset="vocabulary",
        about="Every word that occurs more often than the threshold and passes the filters.",
        code_version="1",
        after=("word_counts",),
        config=_vocabulary_config,
        inputs=_vocabulary_inputs,
        build=_build_vocabulary,
    ),
)
