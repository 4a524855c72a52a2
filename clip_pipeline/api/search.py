"""The photos of a data folder, searched by words and by likeness."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import Materialise, MissingArtifactError, SettingsError
from clip_pipeline.images.takedown import TAKEDOWNS_FILE, read_takedowns
from clip_pipeline.machine.progress import shown_progress
from clip_pipeline.pipeline.stages import artifact_key, find_asset
from clip_pipeline.searching.answer import Answer
from clip_pipeline.searching.query import parse_query
from clip_pipeline.settings.chosen_recipe import DEFAULTS
from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.published import check_output_folder, published_folder

INDEX, CHECKPOINT, SHARDS = "search_index", "clip_checkpoint", "image_shards"
ATTRIBUTION_FILE = "attribution.csv"
ATTRIBUTION_COLUMNS = ("file", "id", "attribution", "licence", "terms", "url", "source", "caption")


def search(
    query: str = "",
    data: str | Path = "data",
    *,
    model: str = "",
    like: str | Path | Sequence[str | Path] = (),
    unlike: str | Sequence[str] = (),
    word: str | Sequence[str] = (),
    licence: str | Sequence[str] = (),
    source: str | Sequence[str] = (),
    split: str | Sequence[str] = (),
    size: str | Sequence[str] = (),
    top: int = 20,
    fold: bool = True,
    output: str | Path = "",
    device: str = DEFAULTS.compute.device,
    progress: bool = False,
) -> Answer:
    """The photos that fit a query best, all of them looked at, with a word for how well each fits.

    query: as in `red cup + photo:ID*0.5 - "a car" word:kitchen split:test`. data: a data folder with a search_index. model: the training variant
    whose index it is, by default the only one. like: ids of photos, or files; unlike: texts that are unwanted. word, licence, source, split, size: filters, of
    which any value counts (`filters.filtered`). top: photos. fold: show one of near-duplicates. output: a folder for copies of the photos, with
    attribution.csv. device: of compute.device.

    Raises SettingsError for an empty query, an unknown photo or filter, a weight that is no number above 0, more than 2,000
    characters; MissingArtifactError where there is no index of the model; InputError for a folder that is none.
    """
    filters = {"word": word, "licence": licence, "source": source, "split": split, "size": size}
    pairs = [(name, value) for name, values in filters.items() for value in _several(values)]
    asked = parse_query(query, [str(one) for one in _several(like)], [str(one) for one in _several(unlike)], pairs)
    if output:
        check_output_folder(output)
    store = Store(data)
    store.check_place(exists=True)
    name = model or _only_index(store)
    with shown_progress(progress):
        return _search(store, name, asked, device, top, fold, output, query)


def _several(values: Any) -> Iterable[Any]:
    return [values] if isinstance(values, str | Path) else values


def _only_index(store: Store) -> str:
    """The training variant whose index is the only one. Raises MissingArtifactError where there is none, SettingsError for several."""
    names = store.partitions(find_asset(INDEX).stage, INDEX)
    if not names:
        models = store.partitions(find_asset(CHECKPOINT).stage, CHECKPOINT)
        if not models:
            raise MissingArtifactError(
                f"{store.root} has neither a model nor a search index of its photos.", Materialise(INDEX)
            )
        raise MissingArtifactError(f"{store.root} has no search index of its photos.", Materialise(INDEX))
    if len(names) > 1:
        raise SettingsError(
            f"There are {len(names)} indexes, of the models {', '.join(names[:5])}. Choose one with --model."
        )
    return names[0]


def _search(
    store: Store, model: str, asked: Any, device: str, top: int, fold: bool, output: str | Path, query: str
) -> Answer:
    from clip_pipeline.searching.encoder import IndexEncoder
    from clip_pipeline.searching.index import SearchIndex
    from clip_pipeline.searching.rank import search as ranked

    artifact = _index_of(store, model)
    index = SearchIndex(artifact)
    hidden = read_takedowns(store.root / TAKEDOWNS_FILE).ids
    encoder = IndexEncoder(
        store.folder(artifact_key(CHECKPOINT, model)), model, index.about.get("model_sha256", ""), device
    )
    answer = ranked(index, asked, encoder, top, hidden=hidden, fold=fold)
    if output:
        _write_photos(store, answer, Path(output), {"command": "search", "query": query, "model": model, "top": top})
    return answer


def _index_of(store: Store, model: str) -> Path:
    found = store.find(artifact_key(INDEX, model))
    if found is not None:
        return found.folder
    names = store.partitions(find_asset(INDEX).stage, INDEX)
    there = f"There are {', '.join(names[:5])}." if names else "There is none of any model."
    if why := store.why_unreadable(artifact_key(INDEX, model)):
        raise MissingArtifactError(f"The search index of {model} cannot be used: {why}.", Materialise(INDEX, model))
    if model not in store.partitions(find_asset(CHECKPOINT).stage, CHECKPOINT):
        raise SettingsError(f"{store.root} has no model {model[:60]}. Indexes: {there}")
    raise MissingArtifactError(f"There is no search index of {model}. {there}", Materialise(INDEX, model))


def _write_photos(store: Store, answer: Answer, output: Path, made: Mapping[str, Any]) -> None:
    """Copies of the photos, numbered from the best, and attribution.csv. Photos that are in their shard no more are a warning."""
    left_out = LeftOut()
    with published_folder(output, made, replace=True) as (folder, _), (folder / ATTRIBUTION_FILE).open("w", encoding="utf-8", newline="") as file:  # fmt: skip
        rows = csv.DictWriter(file, ATTRIBUTION_COLUMNS)
        rows.writeheader()
        for place, photo in enumerate(answer.photos, start=1):
            content = _read_photo(store, photo.facts)
            if content is None:
                left_out.add("photo that is in its shard no more", 1, photo.id)
                continue
            name = f"{place:04d}.{_ending(content)}"
            (folder / name).write_bytes(content)
            known = {column: photo.facts.get(column) or "" for column in ATTRIBUTION_COLUMNS}
            rows.writerow(known | {"file": name, "caption": next(iter(photo.facts["captions"]), "")})
    left_out.hand_on(None, f"{len(answer.photos):,} photos")


def _read_photo(store: Store, facts: Mapping[str, Any]) -> bytes | None:
    from clip_pipeline.sources.photos.formats.tar_index import find_photo, read_place

    shard = store.find(artifact_key(SHARDS, facts["shard"]))
    if shard is None:
        return None
    tar = shard.file(f"{facts['shard']}.tar")
    place = find_photo(tar, facts["key"]) if tar.is_file() else None
    return None if place is None else read_place(tar, place)


def _ending(content: bytes) -> str:
    from clip_pipeline.pixels.kinds import image_kind
    from clip_pipeline.sources.photos.formats.tar_index import ENDINGS

    return ENDINGS.get(image_kind(content) or "", "bin")
