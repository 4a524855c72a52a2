"""Every hostile file ends its reader with a sentence of ours, within 10 s of a processor and 1 GB, or is read all the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from clip_pipeline.machine.child_process import PROGRAM_ENVIRONMENT, child_environment
from clip_pipeline_tests.made.hostile_files import MAKERS
from clip_pipeline_tests.made.hostile_readers import MAX_BYTES, MAX_SECONDS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the limits need Linux"),
]


@pytest.mark.parametrize("maker", MAKERS)
def test_each_file_ends_in_a_sentence_within_its_limits(maker, tmp_path):
    command = [sys.executable, "-m", "clip_pipeline_tests.made.hostile_readers", str(tmp_path / "files"), maker]
    # a thread of a library reserves 64 MB of addresses for itself, which count as memory
    environment = child_environment(PROGRAM_ENVIRONMENT | {"MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"})
    ran = subprocess.run(command, capture_output=True, text=True, timeout=540, check=True, env=environment)
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert found
    assert [one for one in found if not one["ours"]] == []
    assert [one for one in found if one["seconds"] > MAX_SECONDS or one["bytes"] > MAX_BYTES] == []
    assert [one for one in found if one["error"] and not 20 < len(one["text"]) < 1000] == []
