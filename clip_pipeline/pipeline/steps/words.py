"""wikipedia_dump → word_counts → vocabulary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clip_pipeline.pipeline.builder import BuildContext, Builder
from clip_pipeline.pipeline.partitions import dump_parts
from clip_pipeline.pipeline.sources.newest_dump import SANDBOX_MIRROR, newest_dump_input
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import WikipediaSettings, fingerprinted
from clip_pipeline.storage.manifest import Artifact, Built

REMOTE_DUMPS = ("sandbox", "mirror", "api")


# ---- wikipedia_dump: the dump's name, date, size, sha256 and parts; a file of the user's own is observed, not copied


def _dump_config(workspace: Workspace) -> dict:
    settings = workspace.recipe.wikipedia
    config = fingerprinted(settings)
    if settings.dump == "sandbox":
        config |= {"sandbox.seed": workspace.recipe.sandbox.seed, "sandbox.articles": workspace.recipe.sandbox.articles}
    return config


def _dump_inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    """A remote dump is known by its date: "latest" is what it was when it was downloaded, until the mirror is asked again."""
    own = own_dump_inputs(workspace)
    remote = workspace.recipe.wikipedia.dump in ("sandbox", "mirror")
    return own | (newest_dump_input(workspace) if remote else {})


def own_dump_inputs(workspace: Workspace) -> dict[str, str]:
    """Hashes of the user's own files that decide the dump, by name; empty for one that comes from elsewhere."""
    settings = workspace.recipe.wikipedia
    if settings.dump == "api":
        from clip_pipeline.sources.wikimedia.api_titles import titles_file

        titles = titles_file(settings)
        return {"the file of titles": workspace.user_files.hash_file(titles)} if titles else {}
    if settings.dump in REMOTE_DUMPS:
        return {}
    from clip_pipeline.sources.wikimedia.dump_set import find_dump_files

    paths = find_dump_files(settings.dump)
    if len(paths) == 1:
        return {"the dump file": workspace.user_files.hash_file(paths[0])}
    return {f"the dump file {path.name}": workspace.user_files.hash_file(path) for path in paths}


def _build_dump(context: BuildContext) -> Built:
    from clip_pipeline.sources.wikimedia.dump_set import describe_dump_set, find_dump_files

    workspace, folder, work = context.workspace, context.folder, context.work
    settings = workspace.recipe.wikipedia
    facts: dict[str, Any] = {}
    if settings.dump == "api":
        paths, facts = _fetch_articles(workspace, folder, work)
    elif settings.dump in REMOTE_DUMPS:
        paths = _fetch_dump(workspace, settings, work, folder)
    else:
        paths = find_dump_files(settings.dump)
    files = describe_dump_set(paths, settings.parts)
    (folder / "parts").mkdir()
    for file in files:
        whole = {"file": file.path.name, "sha256": file.description.sha256}
        for part in file.description.parts:
            (folder / "parts" / f"{part.key}.json").write_text(json.dumps(whole | part.as_json(), sort_keys=True))
    described = [file.description.as_json() for file in files]
    (folder / "dump.json").write_text(json.dumps({"files": described}, indent=1, sort_keys=True))
    places = {
        path.name: path.name if path.is_relative_to(folder) else str(path.expanduser().absolute()) for path in paths
    }
    (folder / "locations.json").write_text(json.dumps(places, indent=1, sort_keys=True))
    return Built(
        rows={"parts": sum(len(file.description.parts) for file in files)},
        facts={
            "name": ", ".join(path.name for path in paths[:10]) + (", ..." if len(paths) > 10 else ""),
            "files": len(paths),
            "date": max(file.description.date for file in files),
            "bytes": sum(file.description.size for file in files),
            "sha256": files[0].description.sha256 if len(files) == 1 else "",
            **facts,
        },
        sidecars=("locations.json", "answers.jsonl.gz"),
    )


def _fetch_dump(workspace: Workspace, settings: WikipediaSettings, work: Path, folder: Path) -> list[Path]:
    """Downloads into the work folder, where a killed download goes on, and links the finished files into `folder`."""
    import os
    from dataclasses import replace

    from clip_pipeline.sources.wikimedia.download import download_dump

    hosts = {}
    if settings.dump == "sandbox":
        hosts, settings = workspace.sandbox_hosts(), replace(settings, mirror=SANDBOX_MIRROR)
    downloaded = download_dump(settings, work, hosts, workspace.recipe.download.contact)
    for path in (*downloaded, *work.glob("*-index*.bz2")):
        os.link(path, folder / path.name)
    return [folder / path.name for path in downloaded]


def _fetch_articles(workspace: Workspace, folder: Path, work: Path) -> tuple[list[Path], dict[str, Any]]:
    from clip_pipeline.sources.wikimedia.api_articles import download_articles

    recipe = workspace.recipe
    path, report = download_articles(recipe.wikipedia, work, folder, {}, recipe.download.contact)
    return [path], report.as_json()


def dump_location(artifact: Artifact, name: str) -> Path:
    """Where the file `name` of the described dump lies: inside the artifact, or the user's own file."""
    return artifact.folder / json.loads((artifact.folder / "locations.json").read_text())[name]


# ---- word_counts: one partition a part of the dump


def _build_counts(context: BuildContext) -> Built:
    from clip_pipeline.sources.wikimedia.dump_files import DumpPart
    from clip_pipeline.sources.wikimedia.html_dumps import is_html_dump
    from clip_pipeline.words.count import count_part
    from clip_pipeline.words.html_count import count_html_part

    workspace = context.workspace
    dump = workspace.get("wikipedia_dump")
    record = json.loads(dump.file(f"parts/{context.partition}.json").read_text())
    path, part = dump_location(dump, record["file"]), DumpPart.from_json(record)
    output = context.folder / "counts.parquet"
    recipe = workspace.recipe
    count = count_html_part if is_html_dump(path) else count_part
    words = recipe.words
    counts = count(
        path,
        part,
        output,
        workers=recipe.compute.workers,
        rules=words.rules,
        possessives=words.possessives,
        segmentation=words.segmentation,
        work=context.work,
    )
    facts: dict[str, Any] = {"occurrences": counts.occurrences, "articles": counts.articles}
    if counts.possessives:
        facts["possessives_merged"] = counts.possessives
    return Built(rows={"words": counts.words}, facts=facts | counts.left_out.facts())


# ---- vocabulary: the words worth a search, and the same words by bucket


def _vocabulary_config(workspace: Workspace) -> dict:
    return fingerprinted(workspace.recipe.words) | {"links.buckets": workspace.recipe.links.buckets}


def _vocabulary_inputs(workspace: Workspace, partition: str) -> dict[str, str]:
    from clip_pipeline.words.stop_words import stop_words_file

    inputs = {f"word_counts[{part}]": workspace.get("word_counts", part).content for part in dump_parts(workspace)}
    own_list = stop_words_file(workspace.recipe.words.stop_words)
    return inputs | ({"the file of stop words": workspace.user_files.hash_file(own_list)} if own_list else {})


def _build_vocabulary(context: BuildContext) -> Built:
    from clip_pipeline.images.links.buckets import bucket_of
    from clip_pipeline.words.sorted_runs import merge_counts
    from clip_pipeline.words.vocabulary import by_reason, select_words, write_vocabulary

    workspace, folder = context.workspace, context.folder
    settings = workspace.recipe.words
    files = [workspace.get("word_counts", part).file("counts.parquet") for part in dump_parts(workspace)]
    # Rare words are counted but never held: all of a large Wikipedia has tens of millions.
    merged = merge_counts(files, settings.min_count)
    kept, left_out = select_words(merged.table, settings, merged.words, merged.rare_word)
    write_vocabulary(kept, folder)
    buckets = workspace.recipe.links.buckets
    words_of_bucket: dict[int, list[str]] = {bucket: [] for bucket in range(buckets)}
    for word in kept["word"].to_pylist():
        words_of_bucket[bucket_of(word, buckets)].append(word)
    (folder / "buckets").mkdir()
    for bucket, words in words_of_bucket.items():
        (folder / "buckets" / f"{bucket:03d}.txt").write_text("".join(f"{word}\n" for word in words))
    return Built(rows={"words": len(kept)}, facts={"dropped": by_reason(left_out)} | left_out.facts())


BUILDERS = {
    "wikipedia_dump": Builder(
        config=_dump_config,
        inputs=_dump_inputs,
        build=_build_dump,
        speed=("download.contact",),
    ),
    "word_counts": Builder(
        config=lambda workspace: {
            f"words.{name}": getattr(workspace.recipe.words, name) for name in ("rules", "possessives", "segmentation")
        },
        inputs=lambda workspace, part: {
            f"wikipedia_dump/{part}": workspace.get("wikipedia_dump").file_hash(f"parts/{part}.json")
        },
        build=_build_counts,
        speed=("compute.workers",),
    ),
    "vocabulary": Builder(
        config=_vocabulary_config,
        inputs=_vocabulary_inputs,
        build=_build_vocabulary,
    ),
}
