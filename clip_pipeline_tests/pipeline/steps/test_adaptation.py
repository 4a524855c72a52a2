"""The assets of the adaptation on a small model and class folders: cached, resumed, checked."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from clip_pipeline.errors import SettingsError
from clip_pipeline.evaluation.scores import read_scores
from clip_pipeline.pipeline.graph import STEPS, select
from clip_pipeline.pipeline.partitions import trial_names
from clip_pipeline.pipeline.run import run_steps
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.steps import adaptation
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import AdaptationSettings, ComputeSettings
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline.storage.manifest import Built, Wanted
from clip_pipeline_tests.adaptation.conftest import COLOURS, FAR_COLOURS, write_photos
from clip_pipeline_tests.made.tiny_model import build_tiny_model

ADAPTATION = select("adaptation")
SETTINGS = AdaptationSettings(
    dataset="colours",
    out_of_domain="far",
    methods="zero_shot,linear_probe,full,wise_ft",
    fractions="25,100",
    seeds=2,
    min_steps=2,
    max_steps=2,
    validations=1,
    precision="fp32",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(folder of photos, recipe, data folder) after one run."""
    folder = tmp_path_factory.mktemp("pipeline")
    write_photos(folder / "colours/train", COLOURS, 10, seed=0)
    write_photos(folder / "colours/test", COLOURS, 3, seed=1)
    write_photos(folder / "far", FAR_COLOURS, 3, seed=2)
    tiny = find_recipe("tiny")
    evaluation = replace(tiny.evaluation, datasets=f"{folder / 'colours'},{folder / 'far'}")
    compute = ComputeSettings(device="cpu", threads=1, workers=1)
    recipe = replace(tiny, adaptation=SETTINGS, evaluation=evaluation, compute=compute)
    model = build_tiny_model(folder)

    def copy_model(target, work):
        shutil.copytree(model, target, dirs_exist_ok=True)
        return Built()

    with Workspace(folder / "data", recipe) as workspace:
        workspace.store.materialise(artifact_key("clip_checkpoint", "tiny_test"), Wanted("1", {}, {}), copy_model)
        outcomes = run_steps(workspace, [STEPS["benchmark_dataset"], *ADAPTATION])
    return recipe, folder / "data", {outcome.asset: outcome for outcome in outcomes}


def test_each_method_and_fraction_is_a_partition_with_its_seeds_inside(built):
    recipe, folder, outcomes = built
    trials = trial_names(recipe)
    assert trials[:2] == ["zero_shot@025", "linear_probe@025"] and len(trials) == 8
    assert list(outcomes["adaptation_scores"].partitions) == [f"{trial}|tiny_test" for trial in trials]
    rows = read_scores(folder / "adaptation/adaptation_scores/full@025/tiny_test/scores.json")
    assert [(row["seed"], row["split"]) for row in rows if row["metric"] == "top1"] == [
        *((0, "test"), (0, "out_of_domain"), (1, "test"), (1, "out_of_domain"))
    ]
    for row in rows:
        assert (folder / "adaptation/adaptation_scores/full@025/tiny_test" / row["provenance"]["predictions"]).is_file()


@pytest.mark.slow
def test_a_second_run_does_nothing_and_a_new_method_costs_its_own_trials(built):
    recipe, folder, _ = built
    with Workspace(folder, recipe) as workspace:
        assert all(outcome.built == 0 for outcome in run_steps(workspace, ADAPTATION))
    more = replace(recipe, adaptation=replace(SETTINGS, methods=f"{SETTINGS.methods},layer_norm"))
    with Workspace(folder, more) as workspace:
        data, scores, curves = run_steps(workspace, ADAPTATION)
    assert (data.built, curves.built) == (0, 1)
    assert {key for key, done in scores.partitions.items() if not done.hit} == {
        "layer_norm@025|tiny_test",
        "layer_norm@100|tiny_test",
    }
    with Workspace(folder, recipe) as workspace:  # as the other tests expect it
        run_steps(workspace, ADAPTATION)


def test_the_checks_hold_and_see_damage(built):
    recipe, folder, _ = built
    with Workspace(folder, recipe) as workspace:
        assert adaptation.fractions_hold_every_class(workspace, "tiny_test").passed
        assert "0 times" in adaptation.accuracy_does_not_fall(workspace, "tiny_test").found
        path = workspace.get("adaptation_data", "tiny_test").file("fractions.json")
        whole = path.read_text()
        manifest = json.loads(whole)
        manifest["seeds"]["0"]["025"]["per_class"][1] = 0
        path.write_text(json.dumps(manifest))
        try:
            outcome = adaptation.fractions_hold_every_class(workspace, "tiny_test")
        finally:
            path.write_text(whole)
    assert not outcome.passed and "25 % of seed 0" in outcome.found


def test_the_report_gets_the_curve_and_a_table(built):
    recipe, folder, _ = built
    with Workspace(folder, recipe) as workspace:
        facts = adaptation.report_facts(workspace)
    assert facts["curve"].read_bytes().startswith(b"\x89PNG")
    assert [cells[0] for cells in facts["cells"]] == [name for name in SETTINGS.methods.split(",") for _ in range(2)]


def test_a_recipe_that_adapts_to_nothing_has_no_partitions(built):
    recipe, folder, _ = built
    with Workspace(folder, replace(recipe, adaptation=AdaptationSettings())) as workspace:
        assert [step.partitions(workspace) for step in ADAPTATION] == [[], [], []]
        assert adaptation.report_facts(workspace) == {}
        with pytest.raises(SettingsError, match="adaptation.dataset is empty"):
            ADAPTATION[0].materialise(workspace, "tiny_test")


def test_a_dataset_that_is_not_evaluated_is_named_with_the_nearest(built):
    recipe, folder, _ = built
    with (
        Workspace(folder, replace(recipe, adaptation=replace(SETTINGS, dataset="colors"))) as workspace,
        pytest.raises(SettingsError, match='Did you mean "colours"'),
    ):
        ADAPTATION[0].materialise(workspace, "tiny_test")
