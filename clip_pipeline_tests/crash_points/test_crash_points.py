"""Commands that go on from states of the disk that chance chooses among those of a run; `make crash-test` takes every one."""

from __future__ import annotations

import pytest

from clip_pipeline_tests.made.warm_python import run_python

SAMPLES = {"ledger": 20, "download": 4, "takedown_folder": 6, "takedown_unfinished": 4}
OF_TINY = {"takedown_photos": 5}


@pytest.mark.slow
@pytest.mark.parametrize("case", SAMPLES)
def test_a_command_that_was_killed_and_run_again_leaves_what_a_calm_one_leaves(case, tmp_path):
    arguments = ["-m", "clip_pipeline_tests.crash_points.walk", case, tmp_path / "walk", "--points", SAMPLES[case]]
    done = run_python(arguments)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("case", OF_TINY)
def test_a_data_folder_is_left_as_a_calm_command_leaves_it(case, tmp_path, tiny_data):
    arguments = ["-m", "clip_pipeline_tests.crash_points.walk", case, tmp_path / "walk", "--points", OF_TINY[case]]
    done = run_python([*arguments, "--data", tiny_data])
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
