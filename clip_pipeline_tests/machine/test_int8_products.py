"""Which processors multiply bytes without loss."""

from __future__ import annotations

import pytest

from clip_pipeline.machine.int8_products import sums_bytes_whole


@pytest.mark.parametrize(
    ("flags", "whole"),
    [
        ("fma avx2", False),
        ("avx2 avx512f", False),
        ("avx2 avx_vnni", True),
        ("avx512f avx512_vnni", True),
        ("asimddp", True),
    ],
)
def test_a_processor_says_it_by_its_instructions(tmp_path, flags, whole):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : fpu {flags} sse\n")
    assert sums_bytes_whole(tmp_path / "cpuinfo") is whole
