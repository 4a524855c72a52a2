"""Retrieval with several captions a photo: photos for a caption, captions for a photo.

text → image: of all captions, the share whose own photo is among the k nearest photos.
image → text: of all photos, the share with any of their own captions among the k nearest captions.
Ties go to what was listed first (a stable order that does not know the truth), so a model that gives everything the same
vector scores chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import lgamma
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clip_pipeline.embedding.dataset import IMAGES, TEXTS
from clip_pipeline.embedding.store import about_embeddings, check_comparable, read_embeddings
from clip_pipeline.errors import DatasetError, ShapeError
from clip_pipeline.evaluation.provenance import Scored, with_vectors
from clip_pipeline.evaluation.scores import score_row, write_scores
from clip_pipeline.evaluation.similarity import similarities
from clip_pipeline.evaluation.statistics.bootstrap import mean_interval
from clip_pipeline.settings import EvaluationSettings

RECALL_AT = (1, 5, 10)
TEXT_TO_IMAGE_FILE, IMAGE_TO_TEXT_FILE = "text_to_image.parquet", "image_to_text.parquet"
KEPT_RESULTS = 5
QUERIES_AT_A_TIME = 512
"""Rows of the similarity matrix held at a time."""


def text_to_image_ranks(
    images_ND: np.ndarray, texts_MD: np.ndarray, photo_of_text_M: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(rank_M, best_MK): for each caption the rank of its own photo among all photos, from 0, and the best photos."""
    images_ND = np.asarray(images_ND, np.float64)  # once, not for every block
    ranks, best = [], []
    for start in range(0, len(texts_MD), QUERIES_AT_A_TIME):
        similarity_QN = similarities(texts_MD[start : start + QUERIES_AT_A_TIME], images_ND)
        own_Q = photo_of_text_M[start : start + QUERIES_AT_A_TIME]
        ranks.append(_rank_of(similarity_QN, own_Q))
        best.append(_best_columns(similarity_QN))
    return np.concatenate(ranks), np.concatenate(best)


def image_to_text_ranks(
    images_ND: np.ndarray, texts_MD: np.ndarray, photo_of_text_M: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(rank_N, best_NK): for each photo the rank of its best own caption among all captions, from 0, and the best captions."""
    texts_MD = np.asarray(texts_MD, np.float64)
    ranks, best = [], []
    for start in range(0, len(images_ND), QUERIES_AT_A_TIME):
        similarity_QM = similarities(images_ND[start : start + QUERIES_AT_A_TIME], texts_MD)
        queries = np.arange(start, start + len(similarity_QM))
        own_QM = photo_of_text_M[None, :] == queries[:, None]
        best_own_Q = np.argmax(np.where(own_QM, similarity_QM, -np.inf), axis=1)  # the first of equal ones
        ranks.append(_rank_of(similarity_QM, best_own_Q))
        best.append(_best_columns(similarity_QM))
    return np.concatenate(ranks), np.concatenate(best)


def _rank_of(similarity_QN: np.ndarray, column_Q: np.ndarray) -> np.ndarray:
    """How many columns come before the given one: those more similar, and equal ones further left."""
    own_Q1 = np.take_along_axis(similarity_QN, column_Q[:, None], axis=1)
    further_left_QN = np.arange(similarity_QN.shape[1])[None, :] < column_Q[:, None]
    before_QN = (similarity_QN > own_Q1) | ((similarity_QN == own_Q1) & further_left_QN)
    return before_QN.sum(axis=1)


def _best_columns(similarity_QN: np.ndarray) -> np.ndarray:
    return np.argsort(-similarity_QN, axis=1, kind="stable")[:, :KEPT_RESULTS]


def any_caption_chance(captions_of_photo_N: np.ndarray, k: int) -> float:
    """Chance that k captions drawn from all M hold at least one of a photo's own m, averaged over the photos.

    1 - C(M - m, k) / C(M, k), hypergeometric.
    """
    total = int(captions_of_photo_N.sum())
    chances = {}
    for own in set(captions_of_photo_N.tolist()):
        if total - own < k:
            chances[own] = 1.0
            continue
        log_miss = _log_choose(total - own, k) - _log_choose(total, k)
        chances[own] = 1 - float(np.exp(log_miss))
    return float(np.mean([chances[own] for own in captions_of_photo_N.tolist()]))


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def retrieval_scores(
    images_folder: Path,
    texts_folder: Path,
    dataset: str,
    split: str,
    settings: EvaluationSettings,
    folder: Path,
    scored: Scored | None = None,
) -> list[dict[str, Any]]:
    """Recall at 1, 5 and 10 both ways; writes the score files, text_to_image.parquet and image_to_text.parquet.

    The texts' keys name the photo of each caption (`caption_table`). A photo without an embedding takes its captions
    with it, and a photo without captions is left out. Intervals resample photos, each with all its captions.
    Raises DatasetError when fewer than two photos with captions are left, ShapeError when ids do not agree.
    """
    image_keys, stored_images = read_embeddings(images_folder, IMAGES)
    text_keys, stored_texts = read_embeddings(texts_folder, TEXTS)
    check_comparable(image_keys, stored_images, text_keys, stored_texts)
    _check_owners(dataset, text_keys)
    captioned = set(text_keys["photo_id"].to_pylist())
    image_rows = [row for row, photo in enumerate(image_keys["id"].to_pylist()) if photo in captioned]
    photo_ids = [image_keys["id"][row].as_py() for row in image_rows]
    photo_row = {photo: row for row, photo in enumerate(photo_ids)}
    text_rows = [row for row, photo in enumerate(text_keys["photo_id"].to_pylist()) if photo in photo_row]
    if len(photo_ids) < 2:
        raise DatasetError(
            f"{dataset}: {len(photo_ids)} photos with both an embedding and a caption, at least two are needed. "
            "Check that the captions name these photos."
        )
    texts = text_keys.take(pa.array(text_rows))
    images_ND, texts_MD = np.asarray(stored_images[image_rows]), np.asarray(stored_texts[text_rows])
    photo_of_text_M = np.array([photo_row[photo] for photo in texts["photo_id"].to_pylist()])
    if settings.shuffle_labels:
        rng = np.random.Generator(np.random.PCG64(settings.seed))
        photo_of_text_M = photo_of_text_M[rng.permutation(len(photo_of_text_M))]
    ranks_M, best_photos_MK = text_to_image_ranks(images_ND, texts_MD, photo_of_text_M)
    ranks_N, best_texts_NK = image_to_text_ranks(images_ND, texts_MD, photo_of_text_M)
    left_out = len(captioned) - len(photo_ids)
    rows = _rows(dataset, split, ranks_N, ranks_M, photo_of_text_M, settings, left_out)
    folder.mkdir(parents=True, exist_ok=True)
    _write_results(folder, photo_ids, texts, photo_of_text_M, ranks_M, best_photos_MK, ranks_N, best_texts_NK)
    scored = with_vectors(scored, about_embeddings(image_keys))
    return write_scores(rows, folder, scored, settings)


def _check_owners(dataset: str, text_keys: pa.Table) -> None:
    """A caption's id starts with its photo's: a table whose columns were sorted apart is caught here."""
    for text_id, photo_id in zip(text_keys["id"].to_pylist(), text_keys["photo_id"].to_pylist(), strict=True):
        if text_id.rpartition("#")[0] != photo_id:
            raise ShapeError(
                f"{dataset}: the caption {text_id} is said to be of photo {photo_id}. Embed the texts again."
            )


def _rows(
    dataset: str,
    split: str,
    ranks_N: np.ndarray,
    ranks_M: np.ndarray,
    photo_of_text_M: np.ndarray,
    settings: EvaluationSettings,
    left_out: int,
) -> list[dict[str, Any]]:
    captions_of_photo_N = np.bincount(photo_of_text_M, minlength=len(ranks_N))
    samples, seed = settings.bootstrap_samples, settings.seed
    asked = [k for k in RECALL_AT if k < len(ranks_N)]

    def row(metric: str, value: float, limits: tuple[float, float], n: int, chance: float, file: str) -> dict[str, Any]:
        return score_row(
            "retrieval", dataset, split, metric, value, limits, n, chance, predictions=file, left_out=left_out
        )

    rows = []
    for k in asked:
        hit_N = ranks_N < k
        limits, chance = mean_interval(hit_N, samples, seed), any_caption_chance(captions_of_photo_N, k)
        rows.append(row(f"image_to_text_recall@{k}", hit_N.mean(), limits, len(hit_N), chance, IMAGE_TO_TEXT_FILE))
    for k in asked:
        hits_N = np.bincount(photo_of_text_M, weights=ranks_M < k, minlength=len(ranks_N))
        limits = mean_interval(hits_N, samples, seed, captions_of_photo_N)
        value, chance = hits_N.sum() / len(ranks_M), k / len(ranks_N)
        rows.append(row(f"text_to_image_recall@{k}", value, limits, len(ranks_M), chance, TEXT_TO_IMAGE_FILE))
    return rows


def _write_results(
    folder: Path,
    photo_ids: Sequence[str],
    texts: pa.Table,
    photo_of_text_M: np.ndarray,
    ranks_M: np.ndarray,
    best_photos_MK: np.ndarray,
    ranks_N: np.ndarray,
    best_texts_NK: np.ndarray,
) -> None:
    photos = np.asarray(photo_ids, dtype=object)
    captions = np.asarray(texts["text"].to_pylist(), dtype=object)
    text_ids = np.asarray(texts["id"].to_pylist(), dtype=object)
    text_to_image = pa.table(
        {
            "id": pa.array(text_ids.tolist(), pa.string()),
            "text": pa.array(captions.tolist(), pa.string()),
            "photo_id": pa.array(photos[photo_of_text_M].tolist(), pa.string()),
            "place": pa.array(ranks_M, pa.int32()),
            "best_photo_ids": pa.array(photos[best_photos_MK].tolist(), pa.list_(pa.string())),
        }
    )
    image_to_text = pa.table(
        {
            "photo_id": pa.array(photos.tolist(), pa.string()),
            "place": pa.array(ranks_N, pa.int32()),
            "best_text_ids": pa.array(text_ids[best_texts_NK].tolist(), pa.list_(pa.string())),
            "best_texts": pa.array(captions[best_texts_NK].tolist(), pa.list_(pa.string())),
        }
    )
    pq.write_table(text_to_image, folder / TEXT_TO_IMAGE_FILE, compression="zstd")
    pq.write_table(image_to_text, folder / IMAGE_TO_TEXT_FILE, compression="zstd")
