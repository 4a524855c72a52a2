"""Ticks of the sensor that keeps the history a mirror of the data folder."""

from __future__ import annotations

import json
import time

import pytest

dg = pytest.importorskip("dagster")

from dagster._core.launcher import LaunchRunContext  # noqa: E402

from clip_pipeline.pipeline.graph import STEPS  # noqa: E402
from clip_pipeline.pipeline.run import run_steps  # noqa: E402
from clip_pipeline.pipeline.workspace import Workspace  # noqa: E402
from clip_pipeline.settings.environment import data_folder, starting_recipe  # noqa: E402


class Sensor:
    """The sensor and its cursor. The rest after a look is over at once."""

    def __init__(self, definitions, instance):
        self.definitions, self.instance, self.cursor = definitions, instance, None

    def tick(self) -> str:
        repository = self.definitions.get_repository_def()
        with dg.build_sensor_context(instance=self.instance, cursor=self.cursor, repository_def=repository) as context:
            outcome = repository.get_sensor_def("data_folder").evaluate_tick(context)
        assert not outcome.run_requests
        if outcome.cursor:
            self.cursor = json.dumps({**json.loads(outcome.cursor), "cost": 0.0})
        return outcome.skip_message


@pytest.fixture
def sensor(own_definitions, own_instance):
    return Sensor(own_definitions, own_instance)


def build(*assets):
    with Workspace(data_folder(), starting_recipe()) as workspace:
        run_steps(workspace, [STEPS[asset] for asset in assets])


def test_what_was_built_elsewhere_is_in_the_history_and_nothing_changed_costs_no_look(
    sensor, own_instance, monkeypatch
):
    from clip_pipeline.defs.automation import data_folder as module

    assert sensor.tick() == "4 events written.", "the sources"
    build("wikipedia_dump", "word_counts")
    assert sensor.tick() == "2 events written."
    assert own_instance.get_dynamic_partitions("dump_parts") == ["part-000"]
    monkeypatch.setattr(module, "History", None)  # a look would fail
    began = time.thread_time()
    assert sensor.tick() == "Nothing changed."
    assert time.thread_time() - began < 0.5


def test_keys_that_were_added_on_the_page_are_defined_or_said_to_mean_nothing(sensor, own_instance):
    sensor.tick()
    own_instance.add_dynamic_partitions("variants", ["epochs=1+seed=3", "mystery"])
    own_instance.add_dynamic_partitions("datasets", ["digits", "unknown"])
    said = sensor.tick()
    assert "epochs=1+seed=3, added on the page to variants, is defined in the data folder now" in said
    assert "digits, added on the page to datasets" in said
    assert 'There is no training variant "mystery"' in said and 'There is no dataset "unknown"' in said
    assert (data_folder() / "variants" / "epochs=1+seed=3.toml").exists()
    assert (data_folder() / "datasets" / "digits.toml").exists()
    assert {"mystery", "epochs=1+seed=3"} <= set(own_instance.get_dynamic_partitions("variants"))
    assert not own_instance.get_runs()


def test_a_path_that_is_typed_on_the_page_becomes_a_dataset_of_its_name(sensor, own_instance, tmp_path, monkeypatch):
    monkeypatch.setenv("CLIP_PIPELINE_ROOTS", str(tmp_path))
    from clip_pipeline_tests.defs.automation.made import write_photo

    for name in ("apples", "pears"):
        (tmp_path / "fruit" / name).mkdir(parents=True)
        write_photo(tmp_path / "fruit" / name, "one", 50)
    sensor.tick()
    own_instance.add_dynamic_partitions("datasets", [f"obst={tmp_path / 'fruit'}", "nowhere=/no/such/folder"])
    said = sensor.tick()
    assert "is defined in the data folder now, as obst." in said
    assert "/no/such/folder" in said
    keys = own_instance.get_dynamic_partitions("datasets")
    assert "obst" in keys and f"obst={tmp_path / 'fruit'}" not in keys and "nowhere=/no/such/folder" in keys


def test_a_run_of_a_typed_path_finds_its_key_however_late_it_starts(sensor, own_instance, tmp_path, monkeypatch):
    from clip_pipeline.defs.run_launcher import WatchedRunLauncher

    monkeypatch.setenv("CLIP_PIPELINE_ROOTS", str(tmp_path))
    (tmp_path / "fruit" / "apples").mkdir(parents=True)
    key = f"obst={tmp_path / 'fruit'}"
    launched = []
    monkeypatch.setattr(dg.DefaultRunLauncher, "launch_run", lambda launcher, context: launched.append(context))
    launcher = WatchedRunLauncher()
    launcher.register_instance(own_instance)
    own_instance.add_dynamic_partitions("datasets", [key])
    nothing = dg.GraphDefinition("nothing").to_job()
    run = own_instance.create_run_for_job(nothing, tags={"dagster/partition": key}, status=dg.DagsterRunStatus.STARTING)
    assert "defined in the data folder now, as obst." in sensor.tick()
    assert key in own_instance.get_dynamic_partitions("datasets"), "a run waits with it"

    own_instance.report_run_canceled(run)
    sensor.tick()
    assert key not in own_instance.get_dynamic_partitions("datasets")

    late = own_instance.create_run_for_job(
        nothing, tags={"dagster/partition": key}, status=dg.DagsterRunStatus.STARTING
    )
    launcher.launch_run(LaunchRunContext(late, workspace=None))
    assert launched and key in own_instance.get_dynamic_partitions("datasets")

    other = own_instance.create_run_for_job(nothing, tags={"dagster/partition": "never=typed"})
    launcher.launch_run(LaunchRunContext(other, workspace=None))
    assert "never=typed" not in own_instance.get_dynamic_partitions("datasets")


@pytest.mark.parametrize(("folder", "green"), [("fruit", True), ("nowhere", False)])
def test_a_path_that_is_typed_and_launched_at_once_is_built_under_its_name(
    own_definitions, own_instance, tmp_path, monkeypatch, folder, green
):
    """Before any tick of the sensor: the dialog goes from Save to Launch 1 run in a second."""
    from clip_pipeline_tests.defs.automation.made import write_photo

    monkeypatch.setenv("CLIP_PIPELINE_ROOTS", str(tmp_path))
    for seed, name in enumerate(("apples", "pears")):
        write_photo(tmp_path / "fruit" / name, "one", seed)
    key = f"obst={tmp_path / folder}"
    own_instance.add_dynamic_partitions("datasets", [key])
    result = dg.materialize(
        own_definitions.assets,
        selection=dg.AssetSelection.assets("benchmark_dataset"),
        instance=own_instance,
        resources=own_definitions.resources,
        partition_key=key,
        raise_on_error=False,
    )
    assert result.success == green
    if green:
        (built,) = own_instance.fetch_materializations(dg.AssetKey("benchmark_dataset"), limit=5).records
        assert built.partition_key == "obst"
        assert (data_folder() / "images" / "benchmark_dataset" / "obst" / "manifest.json").exists()
    else:
        (failure,) = [event for event in result.all_events if event.is_step_failure]
        assert str(tmp_path / "nowhere") in failure.step_failure_data.user_failure_data.description


def test_a_typed_path_that_means_nothing_stops_no_other_of_its_run(
    own_definitions, own_instance, tmp_path, monkeypatch
):
    from clip_pipeline_tests.defs.automation.made import write_photo

    monkeypatch.setenv("CLIP_PIPELINE_ROOTS", str(tmp_path))
    for seed, name in enumerate(("apples", "pears")):
        write_photo(tmp_path / "fruit" / name, "one", seed)
    keys = [f"a={tmp_path / 'nowhere'}", f"b={tmp_path / 'fruit'}"]
    own_instance.add_dynamic_partitions("datasets", keys)
    result = dg.materialize(
        own_definitions.assets,
        selection=dg.AssetSelection.assets("benchmark_dataset"),
        instance=own_instance,
        resources=own_definitions.resources,
        tags={"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[1]},
        raise_on_error=False,
    )
    assert not result.success
    (built,) = own_instance.fetch_materializations(dg.AssetKey("benchmark_dataset"), limit=5).records
    assert built.partition_key == "b"
    lines = [entry.user_message for entry in own_instance.all_logs(result.run_id) if not entry.is_dagster_event]
    assert any(str(tmp_path / "nowhere") in line and "cannot be a partition" not in line for line in lines)


def test_a_key_that_names_a_file_outside_of_the_roots_is_refused_whether_it_is_there_or_not(
    sensor, own_instance, tmp_path, monkeypatch
):
    """Nothing on the page says what lies where on the machine."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "inside" / "plan.json").symlink_to("/etc/passwd")
    monkeypatch.setenv("CLIP_PIPELINE_ROOTS", str(tmp_path / "inside"))
    monkeypatch.chdir(tmp_path / "inside")
    sensor.tick()
    keys = [f"a1={tmp_path / 'outside'}", "a2=/no/such/folder", "a3=../outside", f"a4={tmp_path / 'inside' / 'link'}", "a5=~root",
            f"a6={tmp_path}/inside/{{x,../../outside}}/1.tar", f"a7={tmp_path}/inside/1.tar::/etc/2.tar", "cifar10=/etc"]  # fmt: skip
    own_instance.add_dynamic_partitions("datasets", keys)
    own_instance.add_dynamic_partitions("variants", ["plan=plan.json", "model=plan.json", "init_from=link"])
    said = sensor.tick()
    assert said.count("lies outside of the folders that the page may read") == len(keys) + 3
    assert "root:" not in said and "There is no dataset" not in said
    assert not (data_folder() / "datasets").exists() and not (data_folder() / "variants").exists()


def test_a_dataset_that_the_recipe_names_no_more_goes_and_is_not_taken_for_one_that_was_added(
    sensor, own_instance, monkeypatch
):
    sensor.tick()
    before = set(own_instance.get_dynamic_partitions("datasets"))
    monkeypatch.setenv("CLIP_PIPELINE_SETTINGS", "evaluation.datasets=digits")
    sensor.cursor = None
    sensor.tick()
    assert before != {"digits"}
    assert set(own_instance.get_dynamic_partitions("datasets")) == {"digits"}
    assert not list((data_folder() / "datasets").glob("*.toml"))


def test_what_was_wiped_on_the_page_is_told_again(sensor, own_instance):
    build("wikipedia_dump")
    sensor.tick()
    own_instance.wipe_assets([dg.AssetKey("wikipedia_dump")])
    own_instance.report_runless_asset_event(dg.AssetObservation("wikipedia_dump"))  # any event
    assert sensor.tick() == "1 events written."


def test_the_users_files_are_looked_at_every_five_minutes(sensor, own):
    from clip_pipeline_tests.defs.automation.made import write_photo

    sensor.tick()
    write_photo(own / "photos", "new", 50)
    assert sensor.tick() == "Nothing changed."
    cursor = json.loads(sensor.cursor)
    sensor.cursor = json.dumps({**cursor, "ended": cursor["ended"] - 301})
    assert sensor.tick() == "1 events written."


def test_a_look_is_followed_by_a_rest_of_ten_times_what_it_cost(sensor):
    sensor.tick()
    sensor.cursor = json.dumps({**json.loads(sensor.cursor), "cost": 7.0})
    build("wikipedia_dump")
    assert sensor.tick() == "The last look cost 7.0 s; the next comes after 10 times as long at the earliest."


def test_a_look_that_takes_too_long_goes_on_with_the_next_tick(sensor, monkeypatch):
    from clip_pipeline.defs.automation import data_folder as module

    build("wikipedia_dump")
    monkeypatch.setattr(module, "LONGEST_LOOK_SECONDS", -1)
    assert "goes on with the next tick" in sensor.tick()
    monkeypatch.setattr(module, "LONGEST_LOOK_SECONDS", 40)
    assert sensor.tick() == "5 events written."


def test_a_broken_variant_a_wrong_recipe_and_another_folder_are_sentences_and_the_next_tick_goes_on(
    sensor, monkeypatch, tmp_path
):
    sensor.tick()
    variants = data_folder() / "variants"
    variants.mkdir(parents=True)
    (variants / "bad.toml").write_text("[training\n")
    assert sensor.tick()
    monkeypatch.setenv("CLIP_PIPELINE_RECIPE", "tinny")
    assert 'Did you mean "tiny"' in sensor.tick()
    monkeypatch.setenv("CLIP_PIPELINE_RECIPE", "tiny")
    here = str(data_folder())
    monkeypatch.setenv("CLIP_PIPELINE_DATA", str(tmp_path / "elsewhere"))
    assert "keeps the history of" in sensor.tick()
    monkeypatch.setenv("CLIP_PIPELINE_DATA", here)
    build("wikipedia_dump")
    assert sensor.tick() == "1 events written."
