"""clip-pipeline adapt, from class folders to curves."""

# ruff: noqa: F811 - a test takes a fixture by its name

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from dataclasses import replace

import pytest
from click.testing import CliRunner

from clip_pipeline.adaptation.methods import METHODS
from clip_pipeline.api.adapt import adapt, write_so_far
from clip_pipeline.cli.program import commands
from clip_pipeline.errors import DatasetError, MissingArtifactError, SettingsError, StoreError
from clip_pipeline.evaluation.scores import read_scores
from clip_pipeline.settings import Recipe
from clip_pipeline_tests.adaptation.conftest import COMPUTE, EVALUATION, model, photos, settings  # noqa: F401 - fixtures

pytestmark = pytest.mark.slow  # a whole sweep: seven seconds


def adapt_with(model, settings, output, on_trial=lambda trial: None, **more):
    recipe = Recipe(adaptation=settings, evaluation=EVALUATION, compute=COMPUTE)
    return adapt(model, settings.dataset, output, recipe=recipe, on_trial=on_trial, **more)


@pytest.fixture(scope="module")
def adapted(model, settings, tmp_path_factory):
    """All methods at three fractions, two seeds."""
    output = tmp_path_factory.mktemp("adapt") / "out"
    return output, adapt_with(model, settings, output)


def test_every_method_fraction_and_seed_has_its_scores(adapted):
    output, facts = adapted
    assert facts.trials == 3 * (2 * (len(METHODS) - 1) + 1)  # zero-shot has nothing random
    rows = read_scores(output / "scores.json")
    cells = {(row["method"], row["percent"], row["seed"]) for row in rows}
    assert cells == {
        (method, percent, seed)
        for method in METHODS
        for percent in (10.0, 50.0, 100.0)
        for seed in ((0,) if method == "zero_shot" else (0, 1))
    }
    assert {row["dataset"] for row in rows} == {"colours", "far"}
    assert all(row["n"] == 20 for row in rows if row["dataset"] == "colours")
    assert all(row["provenance"]["model_sha256"] and row["provenance"]["dataset_sha256"] for row in rows)


def test_the_table_has_a_line_a_method_and_fraction_zero_shot_first(adapted):
    with (adapted[0] / "table.csv").open() as stream:
        table = list(csv.DictReader(stream))
    assert [row["method"] for row in table[::3]] == list(METHODS)
    assert {row["learnt"] for row in table if row["method"] == "zero_shot"} == {"0"}
    photos = {row["percent"]: int(row["photos"]) for row in table}
    assert photos == {"10.0": 4, "50.0": 24, "100.0": 44}  # 48 less one of each class for validation


def test_images_are_drawn_and_the_manifest_lies_beside_them(adapted):
    for name in ("curve.png", "cost.png", "losses.png", "alphas.png"):
        assert (adapted[0] / name).read_bytes().startswith(b"\x89PNG")
    manifest = json.loads((adapted[0] / "fractions.json").read_text())
    assert manifest["classes"] == ["blue", "green", "grey", "red"]


def test_a_finished_result_lends_its_cells_to_a_larger_grid(adapted, model, settings):
    ran = []
    more = replace(settings, fractions="10,25,50,100", methods="zero_shot,linear_probe,full")
    output = adapted[0].with_name("larger")
    adapt_with(model, replace(more, fractions="10,50"), output)
    adapt_with(model, more, output, lambda trial: ran.append(trial.percent))
    assert set(ran) == {25.0, 100.0}


def test_the_command_prints_the_table(model, photos, tmp_path):
    wanted = ["adapt", "--model", model, "--dataset", str(photos / "colours"), "-o", str(tmp_path / "out")]
    options = ["--methods", "zero_shot,linear_probe", "--fractions", "100", "--seeds", "1", "--device", "cpu"]
    result = CliRunner().invoke(commands, [*wanted, *options, "--set", "compute.threads=1"])
    assert result.exit_code == 0, result.output
    assert "linear_probe  100" in result.output
    assert f"Wrote {tmp_path / 'out'}" in result.output


def test_wrong_settings_are_said_before_a_photo_is_read(model, settings, tmp_path, monkeypatch):
    monkeypatch.setattr("clip_pipeline.api.adapt.open_dataset", lambda given: pytest.fail("photos are read"))
    for wrong, sentence in (({"methods": "fulll"}, 'called "fulll"'), ({"fractions": "200"}, "Write percents")):
        with pytest.raises(SettingsError, match=sentence):
            adapt_with(model, replace(settings, **wrong), tmp_path / "out")


def test_a_dataset_of_one_class_is_named(model, photos, settings, tmp_path):
    shutil.copytree(photos / "colours/train/red", tmp_path / "photos/only")
    with pytest.raises(DatasetError, match="one class"):
        adapt_with(model, replace(settings, dataset=str(tmp_path / "photos")), tmp_path / "out")


def test_photos_that_moved_keep_their_cells_and_other_photos_do_not(model, photos, settings, tmp_path):
    ran = []
    one = replace(settings, methods="zero_shot,linear_probe", fractions="100", seeds=1, out_of_domain="")
    shutil.copytree(photos / "colours", tmp_path / "moved/colours")
    for dataset in (photos / "colours", tmp_path / "moved/colours"):
        adapt_with(model, replace(one, dataset=str(dataset)), tmp_path / "out", ran.append)
    assert len(ran) == 2
    (tmp_path / "moved/colours/test/red/red00.png").unlink()
    other = replace(one, dataset=str(tmp_path / "moved/colours"))
    with pytest.raises(StoreError, match="another result of `adapt`.* give --replace"):
        adapt_with(model, other, tmp_path / "out", ran.append)
    adapt_with(model, other, tmp_path / "out", ran.append, replace=True)
    assert len(ran) == 4


def test_what_an_unfinished_grid_has_so_far_can_be_seen(model, settings, tmp_path):
    class Stopped(Exception):
        pass

    def stop(cell):
        if cell.method == "linear_probe":
            raise Stopped

    few = replace(settings, methods="zero_shot,linear_probe", fractions="10,100", out_of_domain="")
    for wanted in (replace(few, batch_size=4), few):
        with pytest.raises(Stopped):
            adapt_with(model, wanted, tmp_path / "out", stop)
    assert write_so_far(tmp_path / "out", EVALUATION, tmp_path / "so_far")["trials"] == 2
    assert (tmp_path / "so_far/curve.png").is_file()
    with pytest.raises(MissingArtifactError):
        write_so_far(tmp_path / "other", EVALUATION, tmp_path / "so_far")


def test_the_dataset_is_opened_once_and_each_photo_read_for_its_fingerprint_and_its_pixels(
    model, settings, tmp_path, monkeypatch
):
    """Every photo was read a second time for a fingerprint that was known (2026-12-01)."""
    import clip_pipeline.api.adapt as module

    opened, read = [], Counter()
    plain = module.open_dataset

    def once(given):
        dataset = plain(given)
        opened.append(given)
        return replace(dataset, read=lambda row: (read.update([dataset.ids[row]]), dataset.read(row))[1])

    monkeypatch.setattr(module, "open_dataset", once)
    few = replace(settings, out_of_domain="", methods="zero_shot", fractions="100", seeds=1)
    adapt_with(model, few, tmp_path / "out")
    assert opened == [settings.dataset]
    assert set(read.values()) == {2}
