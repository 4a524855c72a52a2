"""The log of a training, continued after a kill, and its image."""

from __future__ import annotations

import math

import pytest

from clip_pipeline.training.reports.log import COLUMNS, TrainingLog, read_log, write_log_table
from clip_pipeline.training.reports.log_plot import plot_log


def test_rows_after_the_saved_position_are_dropped_when_a_run_goes_on(tmp_path):
    log = TrainingLog(tmp_path / "log.csv")
    log.append(step=1, train_loss=4.0)
    position = log.position
    log.append(step=2, train_loss=3.0)
    resumed = TrainingLog(tmp_path / "log.csv", position)
    resumed.append(step=2, train_loss=3.5, validation_loss=3.9)
    columns = read_log(tmp_path / "log.csv")
    assert tuple(columns) == COLUMNS
    assert columns["step"] == [1, 2] and columns["train_loss"] == [4.0, 3.5]
    assert math.isnan(columns["validation_loss"][0]) and columns["validation_loss"][1] == 3.9


def test_a_new_run_starts_a_new_log(tmp_path):
    TrainingLog(tmp_path / "log.csv").append(step=1)
    assert read_log((TrainingLog(tmp_path / "log.csv")).path)["step"] == []


@pytest.mark.slow
def test_the_plot_is_drawn_also_of_one_row_and_without_validation(tmp_path):
    for rows in (1, 60):
        log = TrainingLog(tmp_path / "log.csv")
        for step in range(1, rows + 1):
            log.append(step=step, train_loss=4 / step, learning_rate=1e-3, logit_scale=14.0)
        plot_log(read_log(tmp_path / "log.csv"), tmp_path / "loss.png", 64)
        assert (tmp_path / "loss.png").read_bytes()[:4] == b"\x89PNG"
        assert (tmp_path / "loss.png").stat().st_size < 100_000


def test_the_table_holds_the_same_rows_with_nulls_where_nothing_was_measured(tmp_path):
    import pyarrow.parquet as pq

    log = TrainingLog(tmp_path / "log.csv")
    log.append(step=1, train_loss=4.0)
    log.append(step=2, train_loss=3.0, validation_loss=3.5)
    write_log_table(read_log(tmp_path / "log.csv"), tmp_path / "log.parquet")
    table = pq.read_table(tmp_path / "log.parquet")
    assert tuple(table.column_names) == COLUMNS
    assert table["step"].to_pylist() == [1, 2] and table["validation_loss"].to_pylist() == [None, 3.5]


@pytest.mark.slow
def test_the_level_of_guessing_is_that_of_the_loss(tmp_path):
    log = {column: [1.0, 2.0] for column in COLUMNS}
    for loss in ("softmax", "sigmoid"):
        plot_log(log, tmp_path / f"{loss}.png", 64, loss)
    assert (tmp_path / "softmax.png").read_bytes() != (tmp_path / "sigmoid.png").read_bytes()
