"""A few troubles at random moments of the whole graph; `make kill-test` makes 200."""

from __future__ import annotations

import pytest

from clip_pipeline_tests.made.chance import TEST_SEED
from clip_pipeline_tests.made.warm_python import run_python


@pytest.mark.slow
def test_a_graph_in_trouble_ends_as_a_calm_one_does(tmp_path):
    arguments = ["-m", "clip_pipeline_tests.kills.graph", tmp_path / "kills", "--kills", 4, "--seed", TEST_SEED]
    done = run_python(arguments)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "4 hits in " in done.stdout and " 0 wrong" in done.stdout
