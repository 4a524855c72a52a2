"""`clip-pipeline embed`: photos and texts of the user's own into a folder of embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clip_pipeline.embedding.dataset import TEXTS, MakeRuntime, embed_dataset_images, embed_dataset_texts
from clip_pipeline.embedding.layouts import clip_retrieval_layout, own_layout
from clip_pipeline.embedding.store import read_stored_embeddings
from clip_pipeline.embedding.texts import prompt_table
from clip_pipeline.errors import CaptionsError, SettingsError
from clip_pipeline.settings import ComputeSettings, EmbeddingSettings
from clip_pipeline.sources.photos.open import Columns, open_photos
from clip_pipeline.sources.tables.text_files import read_text


def embed_photos(
    model: str | Path,
    images: Path,
    out_folder: Path,
    settings: EmbeddingSettings,
    compute: ComputeSettings,
    work: Path | None = None,
    columns: Columns | None = None,
    clip_retrieval: bool = False,
    runtime: MakeRuntime | None = None,
) -> dict[str, Any]:
    """Embeds whatever `open_photos` reads; writes and returns what `embed_dataset_images` does.

    clip_retrieval: write its layout instead of ours. runtime: what makes the runtime of the model; None is torch in fp32.
    """
    photos = open_photos(images, columns=columns)
    layout = own_layout(out_folder)
    if clip_retrieval:
        layout = clip_retrieval_layout(out_folder, lambda: ((photo.name, photo.place) for photo in photos))
    return embed_dataset_images(
        model,
        ((photo.name, photo.read) for photo in photos),
        len(photos),
        out_folder,
        settings,
        compute,
        work,
        photos.identity,
        layout,
        runtime,
    )


def embed_text_file(
    model: str | Path,
    texts: Path,
    templates: Sequence[str],
    out_folder: Path,
    settings: EmbeddingSettings,
    compute: ComputeSettings,
    clip_retrieval: bool = False,
) -> dict[str, Any]:
    """Embeds the lines of a text file, each in every template; writes and returns what `embed_dataset_texts` does.

    templates: with `{c}` or `{}` where the line goes; without any, the lines are embedded as they are. clip_retrieval: write
    text_emb/text_emb_0.npy and metadata/metadata_0.parquet with the column caption. Raises CaptionsError for a file without
    lines, SettingsError for a template that has no place for the text.
    """
    table = text_table(texts, templates)
    if not clip_retrieval:
        return embed_dataset_texts(model, table, out_folder, settings, compute)
    work = out_folder / ".texts"
    facts = embed_dataset_texts(model, table, work, settings, compute)
    keys, matrix_ND = read_stored_embeddings(work, TEXTS)
    for name in ("text_emb", "metadata"):
        (out_folder / name).mkdir(parents=True, exist_ok=True)
    np.save(out_folder / "text_emb" / "text_emb_0.npy", matrix_ND)
    renamed = keys.rename_columns(["caption" if name == "text" else name for name in keys.column_names])
    pq.write_table(renamed, out_folder / "metadata" / "metadata_0.parquet", compression="zstd")
    for path in (work / f"{TEXTS}.npy", work / f"{TEXTS}.parquet"):
        path.unlink()
    work.rmdir()
    return facts


def text_table(path: Path, templates: Sequence[str]) -> pa.Table:
    """One row a line (id: its number, from 0; text), or a line and template (`prompt_table`); empty lines are left out."""
    if not path.is_file():
        raise CaptionsError(f"There is no file {path}. Give a text file with a text a line.")
    lines = [line.strip() for line in read_text(path, CaptionsError).splitlines() if line.strip()]
    if not lines:
        raise CaptionsError(f"{path} holds no text. Write one a line.")
    for template in templates:
        if "{c}" not in template and "{}" not in template:
            raise SettingsError(
                f'The template "{template}" has no place for the text. Write {{c}} where it goes, as in "a photo of a {{c}}".'
            )
    if templates:
        return prompt_table(lines, templates)
    return pa.table({"id": pa.array(map(str, range(len(lines))), pa.string()), "text": pa.array(lines, pa.string())})
