"""Several trainings in one image."""

from __future__ import annotations

import dataclasses
import json

import pytest
from click.testing import CliRunner

from clip_pipeline.cli import commands
from clip_pipeline.errors import InputError
from clip_pipeline.training.reports.comparison import plot_runs, read_runs
from clip_pipeline.training.reports.log import TrainingLog


def write_run(folder, batch_size: int = 8, rate: float = 1e-3, validated: bool = True):
    folder.mkdir(parents=True)
    log = TrainingLog(folder / "train_log.csv")
    for step in range(1, 6):
        log.append(step=step, train_loss=3 / step, validation_loss=4 / step if validated else None, learning_rate=rate, pairs_per_second=100)  # fmt: skip
    settings = {"batch_size": batch_size, "learning_rate": rate, "model": "tiny_test"}
    (folder / "training.json").write_text(json.dumps({"settings": settings}))
    return folder


def test_runs_are_told_apart_by_the_settings_in_which_they_differ(tmp_path):
    folders = [write_run(tmp_path / "a"), write_run(tmp_path / "b", 16, 3e-4), write_run(tmp_path / "c")]
    runs = read_runs(folders)
    assert [run.label for run in runs] == ["a", "b, batch_size 16, learning_rate 0.0003", "c"]
    assert [run.batch_size for run in runs] == [8, 16, 8]


def test_long_paths_are_told_apart_by_the_parts_that_differ(tmp_path):
    folders = [write_run(tmp_path / "flickr" / seed / "model") for seed in ("seed 0", "seed 1")]
    assert [run.label for run in read_runs(folders)] == ["seed 0", "seed 1"]
    folders.append(write_run(tmp_path / "other"))
    assert [run.label for run in read_runs(folders)] == ["flickr/seed 0/model", "flickr/seed 1/model", "other"]
    assert [run.label for run in read_runs(folders[:1] * 2)] == ["model", "model"]
    folders = [write_run(tmp_path / "run"), write_run(tmp_path / "run" / "again")]
    assert [run.label for run in read_runs(folders)] == ["run", "run/again"]


def test_a_setting_that_an_older_version_called_otherwise_is_no_difference(tmp_path):
    folders = [write_run(tmp_path / "old"), write_run(tmp_path / "new")]
    for folder, name in zip(folders, ("word_loss", "bag_of_words_loss"), strict=True):
        settings = json.loads((folder / "training.json").read_text())["settings"]
        (folder / "training.json").write_text(json.dumps({"settings": settings | {name: 3.0}}))
    assert [run.label for run in read_runs(folders)] == ["old", "new"]


def test_what_changes_the_scale_of_the_loss_is_told_first(tmp_path):
    folders = [write_run(tmp_path / "a"), write_run(tmp_path / "b", 16, 3e-4)]
    path = folders[1] / "training.json"
    settings = json.loads(path.read_text())["settings"]
    path.write_text(json.dumps({"settings": {"crop_scale": 1, "flip": True} | settings | {"loss": "sigmoid"}}))
    path = folders[0] / "training.json"
    path.write_text(json.dumps({"settings": settings | {"crop_scale": 2, "flip": False, "loss": "softmax"}}))
    assert read_runs(folders)[1].label == "b, loss sigmoid, crop_scale 1, flip True"


@pytest.mark.slow
def test_the_image_is_as_wide_with_the_longest_labels(tmp_path):
    from PIL import Image

    runs = [
        dataclasses.replace(run, label=run.label + ", a setting that differs" * 9)
        for run in read_runs([write_run(tmp_path / "a")])
    ]
    plot_runs(runs, tmp_path / "long.png")
    with Image.open(tmp_path / "long.png") as image:
        assert image.width == 9 * 120


def test_the_command_draws_one_image_and_prints_a_line_a_run(tmp_path):
    folders = [str(write_run(tmp_path / "a")), str(write_run(tmp_path / "b", validated=False))]
    result = CliRunner().invoke(commands, ["compare", *folders, "-o", str(tmp_path / "out.png")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out.png").read_bytes()[:4] == b"\x89PNG"
    lines = result.stdout.splitlines()
    assert lines[1].split() == ["a", "5", "0.800", "0.800", "100"] and lines[2].split() == ["b", "5", "-", "-", "100"]


def test_a_folder_without_a_log_gets_a_sentence(tmp_path):
    with pytest.raises(InputError, match="holds no train_log.csv and no training.json. Give the folder of a trained"):
        read_runs([tmp_path])
