"""Photos and texts of the user's own into a folder of embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clip_pipeline.embedding.dataset import TEXTS, embed_dataset_images, embed_dataset_texts
from clip_pipeline.embedding.layouts import LAYOUTS, clip_retrieval_layout, own_layout
from clip_pipeline.embedding.runtimes.runtime import AUTO, REFERENCE
from clip_pipeline.embedding.store import read_stored_embeddings
from clip_pipeline.embedding.texts import prompt_table
from clip_pipeline.errors import CaptionsError, SettingsError, nearest_name
from clip_pipeline.evaluation.runtime_choice import runtime_for_command, runtime_maker
from clip_pipeline.machine.progress import shown_progress
from clip_pipeline.models.folder import check_model
from clip_pipeline.settings import ComputeSettings, EmbeddingSettings
from clip_pipeline.settings.chosen_recipe import DEFAULTS
from clip_pipeline.settings.made import made_by
from clip_pipeline.sources.photos.open import Columns, open_photos
from clip_pipeline.sources.tables.text_files import lines_of, read_text
from clip_pipeline.storage.published import published_folder

OWN_LAYOUT, CLIP_RETRIEVAL = LAYOUTS


@dataclass(frozen=True)
class Embedded:
    """photos, texts: vectors made. failed: photos that could not be decoded. resumed: photos that a killed run had embedded
    before. dimensions: of a vector. runtime: what ran the image encoder. seconds: that it took."""

    photos: int = 0
    texts: int = 0
    failed: int = 0
    resumed: int = 0
    dimensions: int = 0
    runtime: str = REFERENCE
    seconds: float = 0.0


def embed(
    model: str | Path,
    output: str | Path,
    *,
    images: str | Path | None = None,
    texts: str | Path | None = None,
    templates: Sequence[str] = (),
    layout: str = OWN_LAYOUT,
    dtype: str = DEFAULTS.embedding.dtype,
    unit_length: bool = DEFAULTS.embedding.unit_length,
    batch_size: int = DEFAULTS.embedding.batch_size,
    runtime: str = AUTO,
    image_column: str = "",
    id_column: str = "",
    keys: str = "",
    device: str = DEFAULTS.compute.device,
    workers: int = DEFAULTS.compute.workers,
    threads: int = DEFAULTS.compute.threads,
    replace: bool = False,
    progress: bool = False,
) -> Embedded:
    """Embeds photos, texts or both into a folder: images.npy (N, D) and images.parquet (id, row), texts.npy and texts.parquet.

    model: a folder, or a name as `load` takes it. output: written whole at the end, with `replace` also where another result lies; a run that was killed goes on when it is
    called again. images: what `open_photos` reads: a folder, tars, an array (.npy) or tables (.parquet). texts: a text file, a
    text a line. templates: prompts with `{c}` where the line goes. layout: clip-pipeline, or clip-retrieval
    (img_emb/img_emb_0.npy and metadata/metadata_0.parquet). dtype, unit_length, batch_size, runtime: settings of `embedding`;
    runtime "auto" measures for many photos and takes the fastest that agrees with fp32. image_column, id_column: of a table.
    keys: a text file with the ids of an array's rows. device, workers, threads: settings of `compute`. progress: show a bar on a
    terminal. Memory does not grow with the number of photos. Raises SettingsError for options that do not go together, PhotosError,
    CaptionsError for input without photos or lines, ModelError.
    """
    if layout not in LAYOUTS:
        raise SettingsError(f'There is no layout "{layout}". {nearest_name(layout, LAYOUTS)}')
    _check(images, texts, templates, layout)
    check_model(model)
    settings = EmbeddingSettings(batch_size=batch_size, dtype=dtype, unit_length=unit_length, runtime=runtime)
    compute = ComputeSettings(device=device, workers=workers, threads=threads)
    columns = Columns(image_column, id_column, keys)
    facts: dict[str, Any] = {}
    given = {"model": model, "images": images, "texts": texts, "templates": list(templates), "layout": layout}
    made = made_by("embed", given | {"dtype": dtype, "unit_length": unit_length} | asdict(columns))
    with shown_progress(progress), published_folder(output, made, replace) as (folder, work):
        if images is not None:
            facts |= _embed_photos(model, Path(images), folder, settings, compute, work, columns, layout)
        if texts is not None:
            about = _embed_text_file(model, Path(texts), templates, folder, settings, compute, layout)
            facts |= {name: about[name] for name in ("texts", "dimensions")}
    names = ("photos", "texts", "failed", "resumed", "dimensions", "runtime", "seconds")
    return Embedded(**{name: facts[name] for name in names if name in facts})


def _check(images: str | Path | None, texts: str | Path | None, templates: Sequence[str], layout: str) -> None:
    if images is None and texts is None:
        raise SettingsError("There is nothing to embed. Give --images, --texts or both.")
    if images is not None and texts is not None and layout == CLIP_RETRIEVAL:
        raise SettingsError(
            "In clip-retrieval's layout the texts of a folder are the captions of its photos, row by row. Embed --images and "
            "--texts into folders of their own."
        )
    if templates and texts is None:
        raise SettingsError("--template says how the texts of --texts are put, and there are none. Give --texts.")


def _embed_photos(
    model: str | Path,
    images: Path,
    folder: Path,
    settings: EmbeddingSettings,
    compute: ComputeSettings,
    work: Path,
    columns: Columns,
    layout: str,
) -> dict[str, Any]:
    photos = open_photos(images, columns=columns)
    files = own_layout(folder)
    if layout == CLIP_RETRIEVAL:
        files = clip_retrieval_layout(folder, lambda: ((photo.name, photo.place) for photo in photos))
    some = ((photo.name, photo.read) for photo in photos)
    runtime = runtime_for_command(model, some, len(photos), settings, compute)
    return embed_dataset_images(
        model,
        ((photo.name, photo.read) for photo in photos),
        len(photos),
        folder,
        settings,
        compute,
        work,
        photos.identity,
        files,
        runtime_maker(runtime, compute),
    )


def _embed_text_file(
    model: str | Path,
    texts: Path,
    templates: Sequence[str],
    folder: Path,
    settings: EmbeddingSettings,
    compute: ComputeSettings,
    layout: str,
) -> dict[str, Any]:
    """In clip-retrieval's layout: text_emb/text_emb_0.npy, and metadata/metadata_0.parquet with the column caption."""
    table = _text_table(texts, templates)
    if layout != CLIP_RETRIEVAL:
        return embed_dataset_texts(model, table, folder, settings, compute)
    work = folder / ".texts"
    facts = embed_dataset_texts(model, table, work, settings, compute)
    keys, matrix_ND = read_stored_embeddings(work, TEXTS)
    for name in ("text_emb", "metadata"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    np.save(folder / "text_emb" / "text_emb_0.npy", matrix_ND)
    renamed = keys.rename_columns(["caption" if name == "text" else name for name in keys.column_names])
    pq.write_table(renamed, folder / "metadata" / "metadata_0.parquet", compression="zstd")
    for path in (work / f"{TEXTS}.npy", work / f"{TEXTS}.parquet"):
        path.unlink()
    work.rmdir()
    return facts


def _text_table(path: Path, templates: Sequence[str]) -> pa.Table:
    """One row a line (id: the line's number in the file, from 0; text), or a line and template (`prompt_table`); empty lines are
    left out."""
    if not path.is_file():
        found = f"{path} is a folder" if path.exists() else f"There is no file {path}"
        raise CaptionsError(f"{found}. Give a text file with a text a line.")
    texts = {
        str(row): line.strip() for row, line in enumerate(lines_of(read_text(path, CaptionsError))) if line.strip()
    }
    if not texts:
        raise CaptionsError(f"{path} holds no text. Write one a line.")
    for template in templates:
        if "{c}" not in template and "{}" not in template:
            raise SettingsError(
                f'The template "{template}" has no place for the text. Write {{c}} where it goes, as in "a photo of a {{c}}".'
            )
    if templates:
        return prompt_table(list(texts.values()), templates)
    return pa.table({"id": pa.array(texts, pa.string()), "text": pa.array(texts.values(), pa.string())})
