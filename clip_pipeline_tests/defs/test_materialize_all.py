"""The button "Materialize all" on the first page, with the rules by which Dagster's daemon plans a backfill, in this process."""

from __future__ import annotations

import logging

import pytest

dg = pytest.importorskip("dagster")

from dagster._core.asset_graph_view.asset_graph_view import AssetGraphView, TemporalContext  # noqa: E402
from dagster._core.execution import asset_backfill  # noqa: E402
from dagster._time import get_current_datetime  # noqa: E402

from clip_pipeline_tests.defs.automation.conftest import own, own_definitions, own_instance  # noqa: E402, F401
from clip_pipeline_tests.defs.automation.test_conditions import CHAIN  # noqa: E402
from clip_pipeline_tests.defs.conftest import page_in_this_process  # noqa: E402

LOGGER = logging.getLogger(__name__)


class Backfill:
    """All partitions of some assets, as they are known when it is launched."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance, graph, assets: tuple[str, ...]):
        """graph: the assets as the daemon knows them."""
        self.definitions, self.instance, self.graph = definitions, instance, graph
        self.name, self.time = f"after {len(instance.get_runs())} runs", get_current_datetime()
        keys = list(map(dg.AssetKey, assets))
        self.state = asset_backfill.AssetBackfillData.from_asset_partitions(
            self.graph, None, keys, self.instance, self.time.timestamp(), all_partitions=True
        )

    def run(self) -> list[tuple[str, bool]]:
        """Ticks until nothing more is asked for. Returns the assets of each run and whether it succeeded."""
        done = []
        while requests := self._tick():
            for request in requests:
                result = dg.materialize(
                    list(self.definitions.assets),
                    selection=dg.AssetSelection.assets(*request.asset_selection),
                    instance=self.instance,
                    resources=self.definitions.resources,
                    partition_key=request.partition_key,
                    tags={**request.tags, "dagster/backfill": self.name},
                    raise_on_error=False,
                )
                done.append((" ".join(key.to_user_string() for key in request.asset_selection), result.success))
            assert len(done) < 20, done
        return done

    def _tick(self) -> list[dg.RunRequest]:
        view = AssetGraphView(
            temporal_context=TemporalContext(effective_dt=self.time, last_event_id=None),
            instance=self.instance,
            asset_graph=self.graph,
        )
        result = asset_backfill.execute_asset_backfill_iteration_inner(
            self.name, self.state, view, self.time.timestamp(), LOGGER, None
        )
        asked = asset_backfill._get_requested_asset_graph_subset_from_run_requests(result.run_requests, view)
        self.state = result.backfill_data.replace_requested_subset(result.backfill_data.requested_subset | asked)
        return result.run_requests


def events(instance, asset: str) -> dict[str | None, str]:
    """What the newest materialisation of each partition says of the cache."""
    records = instance.fetch_materializations(dg.AssetKey(asset), limit=100).records
    return {one.partition_key: one.asset_materialization.metadata["Cache"].value for one in reversed(records)}


@pytest.fixture
def graph(own_definitions, tmp_path):  # noqa: F811
    """It is asked for with an instance on the disk; the runs of the test need none."""
    (tmp_path / "home").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "home")) as on_disk, page_in_this_process(on_disk) as page:
        yield page.asset_graph


@pytest.mark.slow
def test_an_empty_folder_is_built_whole_and_the_second_time_all_are_hits(own_definitions, own_instance, graph):  # noqa: F811
    assert own_instance.get_dynamic_partitions("dump_parts") == own_instance.get_dynamic_partitions("shards") == []
    first = Backfill(own_definitions, own_instance, graph, CHAIN).run()
    assert all(success for _, success in first), first
    made = {asset: events(own_instance, asset) for asset in CHAIN}
    assert made["word_counts"].keys() == {"part-000"} and made["image_shards"].keys() == {"00000"}
    assert made["image_text_pairs"][None].startswith("built")

    again = Backfill(own_definitions, own_instance, graph, CHAIN).run()
    assert all(success for _, success in again), again
    for asset in CHAIN:
        assert set(events(own_instance, asset).values()) == {"hit"}, asset
