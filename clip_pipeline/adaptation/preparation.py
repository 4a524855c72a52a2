"""Makes what all trials of the sweep share: decodes and embeds each photo once, embeds the classes' texts, draws the fractions."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clip_pipeline.adaptation.data import (
    DATA_FILE,
    FRACTIONS_FILE,
    IMAGES,
    IMAGES_FILE,
    LEFT_OUT,
    OUT_OF_DOMAIN,
    PHOTOS_FILE,
    AdaptationData,
    encode_rows,
    open_data,
)
from clip_pipeline.adaptation.fractions import draw_fractions, parse_percents
from clip_pipeline.adaptation.options import division_of, seeds_of
from clip_pipeline.adaptation.splits import choose_parts, named_split, out_of_domain_rows
from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.embedding.encode import embed_texts
from clip_pipeline.embedding.store import write_embeddings
from clip_pipeline.embedding.texts import prompt_table
from clip_pipeline.errors import DatasetError, ImageError, ModelError
from clip_pipeline.evaluation.datasets import Dataset
from clip_pipeline.evaluation.fingerprints import dataset_fingerprint
from clip_pipeline.evaluation.zero_shot import class_vectors
from clip_pipeline.machine.cores import usable_cores
from clip_pipeline.machine.device import choose_device, use_threads
from clip_pipeline.machine.progress import progress
from clip_pipeline.models.loaded_weights import resized_facts
from clip_pipeline.models.registry import ClipModel
from clip_pipeline.pixels.preprocess import preprocessing_of
from clip_pipeline.settings import AdaptationSettings, ComputeSettings

ROWS_AT_A_TIME = 256


def prepare_data(
    model: str | Path,
    dataset: Dataset,
    out_of_domain: Dataset | None,
    settings: AdaptationSettings,
    compute: ComputeSettings,
    folder: Path,
    left_out: LeftOut | None = None,
    fingerprint: str = "",
) -> dict[str, Any]:
    """Writes the shared data into `folder`; returns counts of photos by part, classes, and photos left out.

    fingerprint: of the dataset where it is known already, for which every photo is read; "" makes it. A photo that cannot be decoded is left out with a reason, and counted in `left_out`, or a warning where that is None. Raises DatasetError where parts or classes are missing.
    """
    from clip_pipeline.models.folder import open_model
    from clip_pipeline.models.identity import hash_weights

    device = choose_device(compute.device)
    use_threads(compute.threads)
    loaded = open_model(model, device)
    clip: ClipModel = loaded[0]
    preprocess, tokenizer = loaded[1:]
    weights = hash_weights(clip)
    _check_encoder(clip, str(model))
    clip.float()  # a folder of half precision is adapted in full: fp16 weights under Adam become NaN
    division = division_of(settings)
    parts = choose_parts(dataset, named_split(settings.dataset)[1], division)
    of_part = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    listed = [
        (dataset.ids[row], int(parts.class_of[row]), part, dataset, row)
        for part, rows in of_part.items()
        for row in rows
    ]
    if out_of_domain is not None:
        assert out_of_domain.labels is not None
        name, labels = out_of_domain.name, out_of_domain.labels
        far = out_of_domain_rows(out_of_domain, named_split(settings.out_of_domain)[1], division)
        listed += [(f"{name}:{out_of_domain.ids[row]}", labels[row], OUT_OF_DOMAIN, out_of_domain, row) for row in far]
    shape = clip.visual.preprocess_cfg
    preprocessing = preprocessing_of(preprocess)
    if preprocessing.normalise is None:
        raise ModelError(
            f"The preprocessing of {model} does not end in a tensor and its normalisation, as open_clip's does."
        )
    readers = [(one.read, row) for *_, one, row in listed]
    size = shape["size"]
    sides = (size, size) if isinstance(size, int) else (size[0], size[1])
    reasons = store_decoded(readers, preprocessing.image, sides, folder / IMAGES_FILE, compute.workers)
    table = {
        "id": [entry[0] for entry in listed],
        "label": np.array([entry[1] for entry in listed], np.int64),
        "part": [LEFT_OUT if reason else entry[2] for entry, reason in zip(listed, reasons, strict=True)],
        "reason": reasons,
    }
    pq.write_table(pa.table(table), folder / PHOTOS_FILE, compression="zstd")
    lost = LeftOut()
    for (photo, *_), reason in zip(listed, reasons, strict=True):
        if reason:
            lost.add("photos that could not be decoded", 1, f"{photo}: {reason}")
    lost.hand_on(left_out, dataset.name)
    about = {
        "model": Path(model).name,
        "model_sha256": weights,
        "dataset": _name_with_split(dataset, settings.dataset),
        "dataset_sha256": fingerprint or dataset_fingerprint(dataset),
        "out_of_domain": _name_with_split(out_of_domain, settings.out_of_domain) if out_of_domain else "",
        "classes": list(parts.class_names),
        "out_of_domain_classes": len(out_of_domain.class_names) if out_of_domain else 0,
        "mean": list(shape["mean"]),
        "std": list(shape["std"]),
        "logit_scale": float(clip.logit_scale.detach().exp()),
        **resized_facts(clip),
    }
    (folder / DATA_FILE).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    data = open_data(folder)
    _check_classes(data)
    facts = _write_fractions(data, parse_percents(settings.fractions), seeds_of(settings), folder)
    _write_classes(clip, tokenizer, parts.class_names, dataset.templates, folder / "classes.npy", device)
    if out_of_domain is not None:
        path = folder / f"{OUT_OF_DOMAIN}_classes.npy"
        _write_classes(clip, tokenizer, out_of_domain.class_names, out_of_domain.templates, path, device)
    decoded = np.flatnonzero(data.parts != LEFT_OUT)
    features_ND = encode_rows(clip.visual, data, decoded, device)
    features_ND /= np.linalg.norm(features_ND, axis=1, keepdims=True)
    write_embeddings(folder, IMAGES, [data.ids[row] for row in decoded], features_ND)
    counts = {part: len(data.rows(part)) for part in (*of_part, OUT_OF_DOMAIN, LEFT_OUT)}
    return {"classes": len(parts.class_names)} | counts | facts


def _check_encoder(clip: ClipModel, name: str) -> None:
    """Raises ModelError for an image encoder that gives more than one vector an image: what is adapted classifies by that one."""
    if getattr(clip.visual, "output_tokens", False):
        raise ModelError(
            f"The image encoder of {name} gives the tokens beside the image's vector, as CoCa's does for its decoder. What is adapted here "
            "is CLIP's, which gives the vector alone: choose another model."
        )


def _name_with_split(dataset: Dataset, reference: str) -> str:
    """`cars`, or `cars:test` where one split was asked for."""
    split = named_split(reference)[1]
    return f"{dataset.name}:{split}" if split else dataset.name


def store_decoded(
    readers: Sequence[tuple[Callable[[int], bytes], int]],
    make: Callable[[bytes], np.ndarray],
    shape: tuple[int, int],
    path: Path,
    workers: int,
) -> list[str]:
    """Writes (N, H, W, 3) images; shape: (H, W). Returns why each could not be decoded, "" for those that could."""
    stored = np.lib.format.open_memmap(path, "w+", np.uint8, (len(readers), *shape, 3))

    def store(place: int) -> str:
        read, row = readers[place]
        try:
            stored[place] = make(read(row))
        except ImageError as error:
            return str(error)
        return ""

    reasons: list[str] = []
    with (
        ThreadPoolExecutor(workers or usable_cores()) as pool,
        progress("Decoding photos", len(readers), "photo") as bar,
    ):
        for start in range(0, len(readers), ROWS_AT_A_TIME):
            reasons += pool.map(store, range(start, min(start + ROWS_AT_A_TIME, len(readers))))
            bar.advance(len(reasons) - start)
    stored.flush()
    return reasons


def _check_classes(data: AdaptationData) -> None:
    """Raises DatasetError where photos that cannot be decoded were all that a part or a class had."""
    for part in ("train", "validation", "test"):
        if not len(data.rows(part)):
            raise DatasetError(
                f"No photo of the {part} part of {data.about['dataset']} can be decoded. Expected image files."
            )
    left = np.setdiff1d(np.arange(len(data.about["classes"])), data.labels[data.rows("train")])
    if len(left):
        raise DatasetError(
            f"None of the training photos of {data.about['classes'][left[0]]!r} can be decoded ({len(left)} such classes). "
            "Expected image files: mend them, or take the class out."
        )


def _write_fractions(
    data: AdaptationData, percents: Sequence[float], seeds: Sequence[int], folder: Path
) -> dict[str, Any]:
    train = data.rows("train")
    ids = [data.ids[row] for row in train]
    manifest: dict[str, Any] = {"classes": data.about["classes"], "seeds": {}}
    tables = []
    for seed in seeds:
        drawn = draw_fractions(data.labels[train], len(data.about["classes"]), percents, seed)
        manifest["seeds"][str(seed)] = drawn.manifest(ids)
        tables.append(pa.table({"seed": np.full(len(ids), seed), "id": ids, "percent": drawn.first_percents(len(ids))}))
    (folder / FRACTIONS_FILE).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    pq.write_table(pa.concat_tables(tables), folder / "fractions.parquet", compression="zstd")
    first = manifest["seeds"][str(seeds[0])]
    return {"photos by fraction": {entry["percent"]: entry["photos"] for entry in first.values()}}


def _write_classes(
    clip: Any, tokenizer: Any, names: Sequence[str], templates: Sequence[str], path: Path, device: str
) -> None:
    prompts = prompt_table(names, templates)
    prompts_PD = embed_texts(clip, tokenizer, prompts["text"].to_pylist(), device=device)
    np.save(path, class_vectors(prompts_PD, prompts["class_index"].to_numpy(), len(names)).astype(np.float32))
