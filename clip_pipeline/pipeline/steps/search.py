"""search_index: one partition a training variant, over the photos of all shards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clip_pipeline.errors import PhotosError
from clip_pipeline.pipeline.builder import BuildContext, Builder
from clip_pipeline.pipeline.partitions import shard_keys
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import fingerprinted
from clip_pipeline.storage.disk import hash_json
from clip_pipeline.storage.manifest import Built

if TYPE_CHECKING:
    import pyarrow as pa

    from clip_pipeline.searching.calibration import EmbedTexts

ATTEMPT_COLUMNS = (
    *("id", "shard", "key", "captions", "words", "original_width", "original_height"),
    *("licence", "attribution", "source", "terms", "url", "thumbnail", "status"),
)


def _config(workspace: Workspace) -> dict[str, Any]:
    """The stop words themselves: a list of the user's own may change under its name."""
    return fingerprinted(workspace.recipe.search) | {"stop_words": hash_json(sorted(_stop_words(workspace)))}


def _stop_words(workspace: Workspace) -> frozenset[str]:
    from clip_pipeline.words.stop_words import choose_stop_words

    return choose_stop_words(workspace.recipe.words.stop_words)


def _inputs(workspace: Workspace, variant: str) -> dict[str, str]:
    inputs = {
        "image_text_pairs": workspace.get("image_text_pairs").file_hash("pairs.parquet"),
        f"clip_checkpoint[{variant}]": workspace.get("clip_checkpoint", variant).content,
    }
    for shard in shard_keys(workspace):
        inputs[f"image_shards[{shard}]"] = workspace.get("image_shards", shard).file_hash(f"{shard}.parquet")
        embeddings = f"{shard}|{variant}"
        inputs[f"shard_embeddings[{embeddings}]"] = workspace.get("shard_embeddings", embeddings).content
    return inputs


def _build_index(context: BuildContext) -> Built:
    import pyarrow.parquet as pq

    from clip_pipeline.searching.build import write_index
    from clip_pipeline.searching.facts import photo_facts

    workspace, variant = context.workspace, context.partition
    settings = workspace.recipe.search
    ids, vectors_ND, attempts, about = _photos(workspace, variant)
    facts = photo_facts(ids, attempts, pq.read_table(workspace.get("image_text_pairs").file("pairs.parquet")))
    figures = write_index(
        context.folder,
        vectors_ND,
        facts,
        _text_encoder(workspace, workspace.get("clip_checkpoint", variant).folder),
        about,
        captions=settings.captions,
        phrases=settings.phrases,
        stop_words=_stop_words(workspace),
        seed=settings.seed,
    )
    return Built(rows={"photos": len(ids)}, facts=figures)


def _photos(workspace: Workspace, variant: str) -> tuple[list[str], np.ndarray, pa.Table, dict[str, str]]:
    """(ids, unit vectors, SHARD_ATTEMPTS of them, what is said of the vectors) of all shards, in their order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from clip_pipeline.embedding.store import about_embeddings, read_embeddings
    from clip_pipeline.records import SHARD_ATTEMPTS

    ids: list[str] = []
    vectors: list[np.ndarray] = []
    tables: list[pa.Table] = []
    about: dict[str, str] = {}
    for shard in shard_keys(workspace):
        keys, matrix_ND = read_embeddings(workspace.get("shard_embeddings", f"{shard}|{variant}").folder, "images")
        if not len(keys):
            continue
        ids += keys["id"].to_pylist()
        vectors.append(np.asarray(matrix_ND, np.float16))
        about = {name: value for name, value in about_embeddings(keys).items() if name in ("model_sha256", "runtime")}
        # columns that an older shard lacks are null
        table = pq.read_table(workspace.get("image_shards", shard).file(f"{shard}.parquet"), schema=SHARD_ATTEMPTS)
        tables.append(table.select(list(ATTEMPT_COLUMNS)))
    if not ids:
        raise PhotosError(
            "No shard holds a photo, so that there is nothing to search. Look at why photos were left out: clip-pipeline status."
        )
    return ids, np.concatenate(vectors), pa.concat_tables(tables), about | {"variant": variant}


def _text_encoder(workspace: Workspace, checkpoint: Path) -> EmbedTexts:
    from clip_pipeline.embedding.encode import embed_texts
    from clip_pipeline.machine.device import choose_device, use_threads
    from clip_pipeline.models.folder import open_model

    device = choose_device(workspace.recipe.compute.device)
    use_threads(workspace.recipe.compute.threads)
    model, _, tokenizer = open_model(checkpoint, device)
    rows = workspace.recipe.embedding.batch_size

    def embed(texts: Sequence[str]) -> np.ndarray:
        return embed_texts(model, tokenizer, texts, rows, device)

    return embed


BUILDERS = {
    "search_index": Builder(
        config=_config,
        inputs=_inputs,
        build=_build_index,
        speed=("compute.device", "compute.threads", "embedding.batch_size"),
    ),
}
