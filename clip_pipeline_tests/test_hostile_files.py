"""Every hostile file ends its reader with a sentence of ours, within 10 s of a processor and 1 GB, or is read all the same.

All 293 take three minutes, so each run takes a sixth of them; CLIP_PIPELINE_TEST_SEED=1 takes others, `make hostile-test` all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clip_pipeline.machine.child_process import PROGRAM_ENVIRONMENT, child_environment
from clip_pipeline_tests.made.hostile_readers import MAX_BYTES, MAX_SECONDS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the limits need Linux"),
]


EVERY = int(os.environ.get("CLIP_PIPELINE_HOSTILE_FILES", "6"))


def test_each_file_ends_in_a_sentence_within_its_limits(tmp_path):
    command = [sys.executable, "-m", "clip_pipeline_tests.made.hostile_readers", str(tmp_path / "files"), str(EVERY)]
    # a thread of a library reserves 64 MB of addresses for itself, which count as memory
    environment = child_environment(PROGRAM_ENVIRONMENT | {"MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"})
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert found
    assert [one for one in found if not one["ours"]] == []
    assert [one for one in found if one["seconds"] > MAX_SECONDS or one["bytes"] > MAX_BYTES] == []
    assert [one for one in found if one["error"] and not 20 < len(one["text"]) < 1000] == []
