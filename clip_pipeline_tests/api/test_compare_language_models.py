"""clip-pipeline language, from a text to tables and figures; it goes on where it was."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from clip_pipeline.api import compare
from clip_pipeline.api.compare import compare_language_models
from clip_pipeline.cli.program import commands
from clip_pipeline.errors import InputError, SettingsError, StoreError
from clip_pipeline.language import figures
from clip_pipeline.language.alphabet import ids_of
from clip_pipeline.language.asked import asked_models
from clip_pipeline.language.counts import CountModel
from clip_pipeline.language.folder import load_language_model
from clip_pipeline.language.text8 import split_bounds
from clip_pipeline.settings import with_settings
from clip_pipeline.settings.recipes import find_recipe

pytestmark = pytest.mark.slow  # trainings and their scores: seconds
SETTINGS = {
    "language.width": 16,
    "language.layers": "1,1,1",
    "language.context": 32,
    "language.steps": 3,
    "language.batch_size": 2,
    "language.validation_characters": 0,
    "evaluation.bootstrap_samples": 100,
    "compute.threads": 1,
}


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b" a cat ran and the old dog sat down by some tree" * 250)
    return path


def test_a_killed_comparison_keeps_the_models_that_were_finished(text, tmp_path, monkeypatch):
    trained = []
    real = compare.train_language_model

    def train(model, *rest):
        if len(trained) == 1:
            raise KeyboardInterrupt
        trained.append(model.key)
        return real(model, *rest)

    output = tmp_path / "out"
    monkeypatch.setattr(compare, "train_language_model", train)
    with pytest.raises(KeyboardInterrupt):
        compare_language_models(text, output, models="none@1,whitespace", settings=SETTINGS, device="cpu")
    assert not output.exists()
    monkeypatch.setattr(
        compare, "train_language_model", lambda model, *rest: trained.append(model.key) or real(model, *rest)
    )
    found = compare_language_models(text, output, models="none@1,whitespace", settings=SETTINGS, device="cpu")
    assert trained == ["none@1-0", "whitespace-0"]
    assert {row["key"] for row in found.rows if row["seed"] is not None} == {"none@1-0", "whitespace-0"}
    assert "table of order" in found.in_short
    assert {"scores.parquet", "table.csv", "bits.png", "times.png", "segments.png", "models"} <= {
        path.name for path in output.iterdir()
    }
    _, form = load_language_model(output / "models/whitespace-0", "whitespace")
    assert form.layers == (1, 1, 1)


def test_the_command_prints_the_table_and_whether_it_is_beaten(text, tmp_path):
    chosen = [word for name, value in SETTINGS.items() for word in ("--set", f"{name}={value}")]
    arguments = ["language", str(text), "-o", str(tmp_path / "out"), "--models", "fixed@3", "--device", "cpu"]
    result = CliRunner().invoke(commands, [*arguments, *chosen], catch_exceptions=False)
    assert result.exit_code == 0
    assert "fixed@3-0" in result.output and "counts@5" in result.output
    assert "table of order" in result.stdout.splitlines()[-2]
    with pytest.raises(StoreError, match="holds another result of `language`"):
        compare_language_models(text, tmp_path / "out", models="fixed@4", settings=SETTINGS, device="cpu")


def test_what_cannot_be_is_said_before_any_work(text, tmp_path):
    with pytest.raises(SettingsError, match="pooling begins above 1"):
        compare_language_models(text, tmp_path / "out", models="router@1", settings=SETTINGS)
    with pytest.raises(InputError, match="cannot be read"):
        compare_language_models(tmp_path / "none", tmp_path / "out", settings=SETTINGS)
    assert not (tmp_path / "out").exists()


def test_minutes_become_steps(text, tmp_path):
    found = compare_language_models(
        text, tmp_path / "out", models="none@1", minutes=0.005, settings=SETTINGS, device="cpu"
    )
    (row,) = (row for row in found.rows if row["seed"] is not None and row["split"] == "test")
    assert 5 < row["steps"] < 2000


def test_the_published_setting_of_text8_runs_at_a_tiny_size(text, tmp_path):
    plan = {"training.plan": "text8_pooling"}
    names = {
        model.name
        for model in asked_models(with_settings(find_recipe("laptop"), ["training.plan=text8_pooling"]).language)
    }
    assert names == {"none@12", "fixed@2", "fixed@3", "fixed@4", "whitespace", "unigram", "entropy", "gumbel@5"}
    small = ("width", "context", "steps", "batch_size", "validation_characters")
    settings = {name: value for name, value in SETTINGS.items() if name.partition(".")[2] in (*small, "threads")}
    settings |= plan | {"language.heads": 2, "language.stride": 16}
    found = compare_language_models(text, tmp_path / "out", models="none,gumbel@5", settings=settings, device="cpu")
    assert {pair.rival for pair in found.pairs} == {"none@12"}
    _, form = load_language_model(tmp_path / "out/models/gumbel@5-0", "gumbel")
    assert (form.layers, form.convolution, form.dropout) == ((2, 8, 2), 0, 0.1)


def test_the_line_of_the_table_in_the_figure_of_times_is_of_the_text_that_its_points_are_of(
    text, tmp_path, monkeypatch
):
    levels = []
    monkeypatch.setattr(figures, "draw_times", lambda logs, level, path: levels.append(level))
    settings = SETTINGS | {"language.validation_characters": 100}
    compare_language_models(text, tmp_path / "out", models="none@1", settings=settings, device="cpu")
    ids = ids_of(text.read_bytes()).astype("int64")
    first, last = (split_bounds(len(ids))[name] for name in ("train", "validation"))
    levels_of_orders = [
        CountModel(ids[slice(*first)], order, 27).bits(ids[last[0] : last[0] + 100])[1:].mean() for order in range(8)
    ]
    assert any(levels[0] == pytest.approx(level) for level in levels_of_orders)
