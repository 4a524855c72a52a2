"""The inner loops of a scan over int8 codes, compiled once a machine. Imported inside functions: numba takes a third of a second."""

from __future__ import annotations

import functools

from numba import float32, int8, int16, int32, int64, njit, types, void

from clip_pipeline.machine.numba_cache import cached

_CODES = types.Array(int8, 2, "C", readonly=True)
_SCALES = types.Array(float32, 1, "C", readonly=True)
"""Also of files that are mapped."""
_loops = functools.partial(njit, nogil=True, boundscheck=False, error_model="numpy")


@cached(functools.partial(_loops, void(_CODES, _SCALES, int16[::1], float32, int64, int64, float32[::1])))
def cosines_of(codes_ND, scales_N, query_D, query_scale, start, stop, found_N):
    """found[i] = codes[i] · query, times both scales, for the rows from start to stop.

    The sum is of whole numbers in 32 bits, which is exact in any order: the same on every machine.
    """
    dimensions = query_D.shape[0]
    for i in range(start, stop):
        total = int32(0)
        for j in range(dimensions):
            total = int32(total + int32(int32(codes_ND[i, j]) * int32(query_D[j])))
        found_N[i] = float32(total) * (scales_N[i] * query_scale)


@cached(functools.partial(_loops, void(_CODES, _SCALES, int16[:, ::1], float32[::1], float32[:, ::1])))
def cosines_with(codes_ND, scales_N, queries_MD, query_scales_M, found_NM):
    """found[i, m] = codes[i] · queries[m], times both scales: a few rows with many queries, whose codes stay in the cache."""
    dimensions = queries_MD.shape[1]
    for m in range(queries_MD.shape[0]):
        for i in range(codes_ND.shape[0]):
            total = int32(0)
            for j in range(dimensions):
                total = int32(total + int32(int32(codes_ND[i, j]) * int32(queries_MD[m, j])))
            found_NM[i, m] = float32(total) * (scales_N[i] * query_scales_M[m])
