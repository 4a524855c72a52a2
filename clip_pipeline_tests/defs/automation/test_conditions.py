"""A real tick of the sensor `automation` at a time, each followed by the runs that it asks for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest

dg = pytest.importorskip("dagster")

from dagster._time import get_current_datetime  # noqa: E402

from clip_pipeline.images.takedown import Takedown, add_takedowns  # noqa: E402
from clip_pipeline.pipeline.graph import STEPS  # noqa: E402
from clip_pipeline.pipeline.workspace import Workspace  # noqa: E402
from clip_pipeline.settings.environment import data_folder, starting_recipe  # noqa: E402
from clip_pipeline_tests.defs.automation.made import write_dump, write_photo  # noqa: E402

CHAIN = (
    "wikipedia_dump",
    "word_counts",
    "vocabulary",
    "image_links",
    "photo_catalog",
    "image_shards",
    "image_text_pairs",
)


class Page:
    """The page with the sensor started: `settle` ticks until nothing is asked for."""

    def __init__(self, definitions, instance):
        self.definitions, self.instance = definitions, instance
        self.cursor, self.time = None, get_current_datetime()

    def tick(self, after=timedelta(seconds=30)) -> dict[str, set[str]]:
        """Asset -> partitions that one tick asks for."""
        self.time += after
        result = dg.evaluate_automation_conditions(
            self.definitions, self.instance, dg.AssetSelection.assets(*CHAIN), self.time, self.cursor
        )
        self.cursor = result.cursor
        return {
            one.key.to_user_string(): {
                key.partition_key or "" for key in one.true_subset.expensively_compute_asset_partitions()
            }
            for one in result.results
            if not one.true_subset.is_empty
        }

    def run(self, asked: dict[str, set[str]], raise_on_error=True) -> None:
        for asset, partitions in asked.items():
            for partition in partitions:
                dg.materialize(
                    list(self.definitions.assets),
                    selection=dg.AssetSelection.assets(asset),
                    instance=self.instance,
                    resources=self.definitions.resources,
                    partition_key=partition or None,
                    raise_on_error=raise_on_error,
                )

    def settle(self) -> list[str]:
        """The assets that were asked for, in order."""
        order = []
        while asked := self.tick():
            order += asked
            self.run(asked)
            assert len(order) < 20, order
        return order


@pytest.fixture
def page(own_definitions, own_instance):
    return Page(own_definitions, own_instance)


def photos_of_pairs() -> int:
    with Workspace(data_folder(), starting_recipe()) as workspace:
        return workspace.get("image_text_pairs").rows["photos"]


def some_photo() -> str:
    with Workspace(data_folder(), starting_recipe()) as workspace:
        return pq.read_table(workspace.get("photo_catalog").file("photos.parquet"))["id"][0].as_py()


def test_from_an_empty_folder_to_pairs_and_from_each_new_source_to_what_reads_it(page, own):
    assert page.settle() == list(CHAIN), "each asset once, in the order of the flow"
    assert photos_of_pairs() == 8
    assert page.tick() == {}

    for seed in range(8, 14):
        write_photo(own / "photos", f"photo{seed}", seed)
    assert page.settle() == ["image_links", "photo_catalog", "image_shards", "image_text_pairs"]
    assert page.instance.get_dynamic_partitions("shards") == ["00000", "00001"]
    assert photos_of_pairs() == 14

    write_dump(own / "wiki.xml", "lamp")
    order = page.settle()
    assert order[:4] == ["wikipedia_dump", "word_counts", "vocabulary", "image_links"]

    add_takedowns(data_folder() / "takedowns.jsonl", [Takedown(some_photo())])
    assert page.settle() == ["photo_catalog", "image_shards", "image_text_pairs"]
    assert photos_of_pairs() == 13


def test_a_run_that_failed_is_asked_for_again_a_day_later_or_when_its_inputs_change(page, own):
    (own / "wiki.xml").write_text("no dump")
    page.run(page.tick(), raise_on_error=False)
    assert page.tick() == {}
    assert page.tick(timedelta(days=1)) == {"wikipedia_dump": {""}}
    assert page.tick() == {}
    write_dump(own / "wiki.xml")
    assert page.tick() == {"wikipedia_dump": {""}}


def test_a_missing_source_asks_for_nothing(page, own):
    (own / "wiki.xml").unlink()
    assert page.tick() == {}


def test_trainings_and_scores_have_no_condition(own_definitions):
    graph = own_definitions.resolve_asset_graph()
    having = {
        key.to_user_string() for key in graph.get_all_asset_keys() if graph.get(key).automation_condition is not None
    }
    assert having == {*CHAIN, "wikipedia_dump_source"}
    assert not {name for name in having if name in STEPS and STEPS[name].asset.stage not in ("words", "images")}


def test_the_sensor_asks_for_runs_that_say_of_which_recipe_and_folder_they_are(own_definitions, own_instance):
    repository = own_definitions.get_repository_def()
    sensor = repository.get_sensor_def("automation")
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
    with dg.build_sensor_context(instance=own_instance, repository_def=repository) as context:
        (request,) = sensor.evaluate_tick(context).run_requests
    assert [key.to_user_string() for key in request.asset_selection] == ["wikipedia_dump"]
    assert request.tags["recipe"] == "tiny" and request.tags["data_folder"] == str(data_folder())


def test_the_mirror_is_asked_once_a_day(own_definitions, own_instance):
    cursor, asked = None, []
    for hours in (0, 1, 24, 25):
        result = dg.evaluate_automation_conditions(
            own_definitions,
            own_instance,
            dg.AssetSelection.assets("wikipedia_dump_source"),
            datetime(2026, 12, 1, 3, 30, tzinfo=UTC) + timedelta(hours=hours),
            cursor,
        )
        cursor = result.cursor
        asked.append(result.total_requested)
    assert asked == [0, 1, 0, 1]
