"""What a photo's cosine with any caption is like: its mean, spread and 90th percentile over captions of the training.

Some photos lie near every text and some near none, so that a cosine by itself says little. Less the photo's own 90th percentile it says whether
the text fits it better than nine captions in ten.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clip_pipeline.searching.codes import quantise_query

ROWS_AT_A_TIME = 256
"""Photos whose codes stay in the cache while they meet all captions."""
PERCENTILE = 0.9
MEAN, SPREAD, HIGH = range(3)
"""The columns of the statistics: mean, standard deviation, 90th percentile."""


def drawn_captions(captions: Sequence[str], count: int, seed: int) -> list[str]:
    """`count` different captions by lot, in the order of the alphabet; all where there are no more. The order of `captions` does not matter."""
    different = sorted(set(captions))
    if len(different) <= count:
        return different
    drawn = np.random.Generator(np.random.PCG64(seed)).choice(len(different), count, replace=False)
    return [different[row] for row in sorted(drawn.tolist())]


def background_statistics(codes_ND: np.ndarray, scales_N: np.ndarray, captions_MD: np.ndarray) -> np.ndarray:
    """(N, 3) float32: mean, standard deviation and 90th percentile of each photo's cosines with M captions.

    captions_MD: unit vectors. The cosines are of codes, so that they are the same on every machine.
    """
    from clip_pipeline.searching.scan_kernel import cosines_with

    quantised = [quantise_query(caption_D) for caption_D in captions_MD]
    queries_MD = np.stack([codes_D for codes_D, _ in quantised])
    query_scales_M = np.array([scale for _, scale in quantised], np.float32)
    statistics_N3 = np.empty((len(codes_ND), 3), np.float32)
    place = max(0, int(np.ceil(PERCENTILE * len(captions_MD))) - 1)
    for start in range(0, len(codes_ND), ROWS_AT_A_TIME):
        rows_ND = np.ascontiguousarray(codes_ND[start : start + ROWS_AT_A_TIME])
        found_NM = np.empty((len(rows_ND), len(captions_MD)), np.float32)
        cosines_with(rows_ND, np.ascontiguousarray(scales_N[start : start + len(rows_ND)]), queries_MD, query_scales_M, found_NM)  # fmt: skip
        some = statistics_N3[start : start + len(rows_ND)]
        some[:, MEAN] = found_NM.mean(axis=1, dtype=np.float64)
        some[:, SPREAD] = found_NM.std(axis=1, dtype=np.float64)
        some[:, HIGH] = np.partition(found_NM, place, axis=1)[:, place]
    return statistics_N3
