"""What the page says of each asset before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline.defs.page.columns import column_lineage  # noqa: E402
from clip_pipeline.defs.page.described import PARTITION_FOLDERS, described  # noqa: E402
from clip_pipeline.pipeline.asset import Partitions  # noqa: E402
from clip_pipeline.pipeline.graph import STEPS  # noqa: E402
from clip_pipeline.pipeline.sources.added_keys import define_key  # noqa: E402
from clip_pipeline.pipeline.stages import find_asset  # noqa: E402
from clip_pipeline.pipeline.workspace import Workspace  # noqa: E402
from clip_pipeline.settings.recipes import find_recipe  # noqa: E402

ASSETS = list(STEPS)


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path, find_recipe("tiny"))


@pytest.mark.parametrize("asset", ASSETS)
def test_dagster_takes_what_is_said_and_it_says_what_is_read_and_written(asset, workspace):
    step = STEPS[asset]
    spec = dg.AssetSpec(asset, **described(step, workspace))
    assert spec.description.startswith(step.asset.about)
    for name in step.asset.after:
        assert f"`{name}`" in spec.description
    assert f"`{step.asset.stage}/{asset}/" in spec.description
    assert spec.tags["stage"] == step.asset.stage
    assert spec.owners == [f"team:{step.asset.owner}"]


@pytest.mark.parametrize("asset", ASSETS)
def test_its_code_is_the_function_that_builds_it_and_its_declaration(asset, workspace):
    references = described(STEPS[asset], workspace)["metadata"]["dagster/code_references"].code_references
    built, declared = references
    lines = Path(built.file_path).read_text().splitlines()
    assert lines[built.line_number - 1].startswith(f"def {built.label.split(': ')[1]}(")
    assert (
        Path(declared.file_path)
        .read_text()
        .splitlines()[declared.line_number - 1]
        .strip()
        .startswith(f'name="{asset}"')
    )


@pytest.mark.parametrize("asset", [name for name in ASSETS if STEPS[name].asset.columns])
def test_every_column_has_a_description(asset, workspace):
    schema = described(STEPS[asset], workspace)["metadata"]["dagster/column_schema"]
    assert all(column.description for column in schema.columns)


def test_settings_stand_there_with_value_and_meaning_and_many_of_them_by_name(workspace):
    vocabulary = described(STEPS["vocabulary"], workspace)["description"]
    assert "| words.min_count | 20 | Words that occur at most this often are dropped. |" in vocabulary
    checkpoint = described(STEPS["clip_checkpoint"], workspace)["description"]
    assert "| training.epochs | 2 |" in checkpoint and "training.weight_decay" in checkpoint
    assert checkpoint.count("\n|") < 20
    assert "**Settings** none" in described(STEPS["caption_corpus"], workspace)["description"]


@pytest.mark.parametrize(
    ("asset", "kind", "keys"),
    [
        ("benchmark_dataset", Partitions.DATASETS, ["digits", "pets=PATH"]),
        ("clip_checkpoint", Partitions.VARIANTS, ["epochs=20+seed=1", "laptop_small"]),
    ],
)
def test_where_the_page_asks_for_the_name_of_a_partition_it_says_what_to_type(asset, kind, keys, workspace):
    said = described(STEPS[asset], workspace)["description"]
    (workspace.store.root / "PATH").mkdir()
    for key in keys:
        assert f"`{key}`" in said
        define_key(workspace, kind, key.replace("PATH", str(workspace.store.root / "PATH")))
    assert "`benchmark_dataset`" in described(STEPS["zero_shot_scores"], workspace)["description"]


def test_the_report_says_how_to_open_it(workspace):
    description = described(STEPS["benchmark_report"], workspace)["description"]
    assert f"file://{workspace.store.root}/evaluation/benchmark_report/report.html" in description


def test_tags_say_what_an_asset_needs_and_holds(workspace):
    assert described(STEPS["image_shards"], workspace)["tags"] == {
        "stage": "images", "network": "needed", "photos": "held",
    }  # fmt: skip
    assert described(STEPS["clip_checkpoint"], workspace)["tags"]["accelerator"] == "needed"
    assert described(STEPS["parallelism_benchmark"], workspace)["tags"]["runs"] == "on_request"


def test_every_kind_of_partition_has_a_folder():
    assert PARTITION_FOLDERS.keys() == set(Partitions)


def test_columns_that_are_taken_over_name_their_input_and_others_do_not():
    catalog = column_lineage(find_asset("photo_catalog")).deps_by_column
    assert catalog["id"] == [dg.TableColumnDep(asset_key="image_links", column_name="id")]
    assert "words" not in catalog, "the words of the search, not the source's keywords"
    assert "shard" not in catalog
    shards = column_lineage(find_asset("image_shards")).deps_by_column
    assert "key" in shards and "width" not in shards, "of the stored image, not the original"
    assert column_lineage(find_asset("clip_checkpoint")) is None
