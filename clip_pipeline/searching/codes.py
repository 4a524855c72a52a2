"""Vectors as bytes: whole numbers from -127 to 127 with a scale a row, a quarter of float32."""

from __future__ import annotations

import numpy as np

MAX_CODE = 127
ROWS_AT_A_TIME = 65_536
LARGEST_QUERY_CODE = 2047
LARGEST_SUM = 2**31 - 1


def quantise(matrix_ND: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(codes (N, D) int8, scales (N,) float32): a row is about its codes times its scale.

    The largest number of a row becomes ±127, so that none is cut. The same rows give the same bytes, however many there are at a time.
    """
    codes_ND = np.empty(matrix_ND.shape, np.int8)
    scales_N = np.empty(len(matrix_ND), np.float32)
    for start in range(0, len(matrix_ND), ROWS_AT_A_TIME):
        rows_ND = np.asarray(matrix_ND[start : start + ROWS_AT_A_TIME], np.float32)
        largest_N = np.abs(rows_ND).max(axis=1)
        largest_N[largest_N == 0] = 1
        scales_N[start : start + len(rows_ND)] = largest_N / np.float32(MAX_CODE)
        codes_ND[start : start + len(rows_ND)] = np.rint(rows_ND * (np.float32(MAX_CODE) / largest_N)[:, None])
    return codes_ND, scales_N


def quantise_query(query_D: np.ndarray) -> tuple[np.ndarray, np.float32]:
    """(codes (D,) int16, scale) of one vector: twelve bits where the sums of `scan_kernel` leave room for them, so that what a scan
    loses is lost by the rows alone."""
    room = LARGEST_SUM // (MAX_CODE * max(len(query_D), 1))
    largest_code = np.float32(min(LARGEST_QUERY_CODE, room))
    query_D = np.asarray(query_D, np.float32)
    largest = np.abs(query_D).max(initial=0) or np.float32(1)
    return np.rint(query_D * (largest_code / largest)).astype(np.int16), np.float32(largest / largest_code)
