"""The scan over codes: the right answers, and the same ones whatever the threads."""

from __future__ import annotations

import numpy as np
import pytest

from clip_pipeline.searching.codes import MAX_CODE, quantise, quantise_query
from clip_pipeline.searching.exactness import best_by_float64, measured_exactness
from clip_pipeline.searching.scan import best_rows, exact_cosines, in_order, scan
from clip_pipeline_tests.made.chance import TEST_SEED
from clip_pipeline_tests.made.search_index import made_index


def drawn(count: int, dimensions: int, seed: int = TEST_SEED) -> np.ndarray:
    """Unit vectors, all of one cone, as a model's are."""
    rng = np.random.Generator(np.random.PCG64(seed))
    rows_ND = rng.normal(size=(count, dimensions)) + 1.5 * rng.normal(size=dimensions)
    return (rows_ND / np.linalg.norm(rows_ND, axis=1, keepdims=True)).astype(np.float16)


@pytest.mark.parametrize("kept", [1.0, 0.1, 0.01, 0.001])
def test_the_best_ten_are_those_of_float64_also_where_a_filter_keeps_few(kept):
    vectors_ND = drawn(20_000, 96)
    rng = np.random.Generator(np.random.PCG64(TEST_SEED))
    kept_rows = np.flatnonzero(rng.random(len(vectors_ND)) < kept)
    codes_ND, scales_N = quantise(vectors_ND)
    texts = rng.normal(size=(20, 96))
    queries = np.concatenate([vectors_ND[:20].astype(np.float64), texts])
    right = best_by_float64(vectors_ND[kept_rows], queries, 10)
    found = []
    for query_D in queries:
        query_D = query_D / np.linalg.norm(query_D)
        scores_N = np.full(len(vectors_ND), -np.inf, np.float32)
        scores_N[kept_rows] = scan(codes_ND, scales_N, query_D)[kept_rows]
        rows_K = best_rows(scores_N, 200)
        found.append(rows_K[in_order(exact_cosines(vectors_ND, rows_K, query_D), rows_K)][:10].tolist())
    recalls = [
        len(set(one) & set(kept_rows[rows].tolist())) / len(rows)
        for one, rows in zip(found, right, strict=True)
        if rows
    ]
    assert np.mean(recalls) >= 0.999


def test_equal_scores_whatever_the_threads_and_of_mapped_files_too(tmp_path):
    codes_ND, scales_N = quantise(drawn(160_000, 32))
    query_D = drawn(1, 32, 5)[0].astype(np.float32)
    np.save(tmp_path / "codes.npy", codes_ND)
    mapped = np.load(tmp_path / "codes.npy", mmap_mode="r")
    one = scan(codes_ND, scales_N, query_D, threads=1)
    assert (one == scan(codes_ND, scales_N, query_D, threads=3)).all()
    assert (one == scan(mapped, scales_N, query_D, threads=2)).all()
    assert np.abs(one - (codes_ND * scales_N[:, None]) @ query_D).max() < 1e-3


def test_codes_use_the_whole_range_and_queries_never_overflow_the_sum():
    codes_ND, scales_N = quantise(np.array([[0.5, -0.25], [0, 0], [-1, 1]], np.float32))
    assert codes_ND.tolist() == [[127, -64], [0, 0], [-127, 127]] and np.isfinite(scales_N).all()
    for dimensions in (1, 768, 20_000):
        query_codes, _ = quantise_query(np.ones(dimensions))
        assert int(query_codes.max()) * MAX_CODE * dimensions < 2**31


def test_of_equal_scores_all_are_candidates_and_the_first_by_row_comes_first():
    scores_N = np.array([1, 3, 2, 3, 2, 2, -np.inf], np.float32)
    assert best_rows(scores_N, 3).tolist() == [1, 2, 3, 4, 5]
    assert best_rows(scores_N, 99).tolist() == [0, 1, 2, 3, 4, 5]
    assert best_rows(scores_N[:0], 3).tolist() == []
    assert in_order(np.array([2.0, 3, 2]), np.array([9, 4, 1])).tolist() == [1, 2, 0]


def test_a_made_index_is_exact_and_a_damaged_one_is_found_not_to_be(tmp_path):
    index = made_index(tmp_path / "index")
    measured = measured_exactness(index)
    assert (measured.photos, measured.texts, measured.queries) == (1.0, 1.0, 50)
    shuffled = np.array(index.codes_ND)
    np.random.Generator(np.random.PCG64(0)).shuffle(shuffled)
    index.codes_ND = shuffled
    assert measured_exactness(index).texts < 0.5
