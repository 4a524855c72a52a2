"""How many steps fit into so many minutes is measured once, said, and kept where a kill cannot cut it."""

from __future__ import annotations

import logging

from clip_pipeline.language.trained import STEPS_FILE, _steps_that_fit
from clip_pipeline.language.training import LanguageTraining, language_arithmetic
from clip_pipeline_tests.language.test_training import CORPUS, form


def steps_that_fit(minutes: float, folder) -> int:
    training = LanguageTraining(steps=6, batch=4, context=32)
    with language_arithmetic(0, "cpu", 1):
        return _steps_that_fit(form("none"), training, CORPUS, "cpu", minutes, folder)


def test_a_killed_measurement_is_made_again_and_a_finished_one_is_kept(tmp_path, caplog):
    (tmp_path / f"{STEPS_FILE}.part").write_text("")  # what a kill in the middle leaves
    with caplog.at_level(logging.WARNING):
        steps = steps_that_fit(0.01, tmp_path)
    assert steps >= 1 and f"{steps:,} steps fit into 0.01 processor minutes (language.minutes)" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == [STEPS_FILE]
    assert steps_that_fit(100.0, tmp_path) == steps, "another number would be another model"
