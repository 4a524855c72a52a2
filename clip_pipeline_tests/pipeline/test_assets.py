"""The assets as they are declared: that the declarations fit each other, and that one more is known everywhere."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from clip_pipeline.pipeline import stages, steps
from clip_pipeline.pipeline.asset import Asset, Partitions, StoredTable
from clip_pipeline.pipeline.assets import ASSETS
from clip_pipeline.pipeline.builder import BuildContext, Builder
from clip_pipeline.pipeline.graph import STEPS, make_steps
from clip_pipeline.pipeline.partitions import partition_keys
from clip_pipeline.pipeline.run import run_steps
from clip_pipeline.pipeline.stages import STAGES, artifact_key
from clip_pipeline.pipeline.status import pipeline_status
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import SECTIONS
from clip_pipeline.settings.fields import speed_settings
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline.storage.manifest import Built, Wanted


def test_every_asset_has_one_builder_and_every_builder_an_asset():
    builders = []
    for module in pkgutil.iter_modules(steps.__path__):
        file = importlib.import_module(f"{steps.__name__}.{module.name}")
        builders += list(getattr(file, "BUILDERS", {}))
    assert sorted(builders) == sorted(asset.name for asset in ASSETS)


def test_they_stand_in_the_order_of_the_flow():
    known = set()
    for asset in ASSETS:
        assert set(asset.after) <= known, f"{asset.name} is declared before what it reads"
        known.add(asset.name)
    assert list(STAGES) == [
        "words",
        "images",
        "text",
        "training",
        "embedding",
        "evaluation",
        "adaptation",
        "search",
        "language",
    ]


def test_what_the_page_shows_is_there():
    for asset in ASSETS:
        assert asset.about.endswith(".") and asset.kinds and asset.owner
        assert asset.pool in (None, "network", "accelerator")
        for kind in asset.preview:
            if isinstance(kind, StoredTable):
                assert set(kind.columns) <= {column.name for column in asset.columns}, asset.name


def test_partitions_that_are_known_later_are_made_by_one_asset_each():
    for kind in (Partitions.DUMP_PARTS, Partitions.SHARDS):
        assert len([asset for asset in ASSETS if asset.makes == kind]) == 1


def test_photos_are_held_by_nothing_that_is_made_of_them_without_being_said():
    """What reads the photos or their catalog either holds them or learnt from them, so that a take-down knows it."""
    for asset in ASSETS:
        if {"photo_catalog", "image_shards", "image_text_pairs"} & set(asset.after):
            assert asset.holds_photos or asset.learnt_from_photos, asset.name


def test_every_setting_that_changes_no_bytes_is_one_that_some_build_says_it_reads():
    said = {name for step in STEPS.values() for name in step.builder.speed}
    assert said == {name for section in SECTIONS for name in speed_settings(section)}


# ---- one more, as CONTRIBUTING.md says it


def _build_lengths(context: BuildContext) -> Built:
    words = context.workspace.get("vocabulary").file("words.txt").read_text().split()
    (context.folder / "lengths.txt").write_text("".join(f"{len(word)}\n" for word in words))
    return Built(rows={"lengths": len(words)})


@pytest.fixture
def word_lengths(monkeypatch) -> Asset:
    """An asset more: declared, and with its builder."""
    asset = Asset(
        name="word_lengths",
        stage="words",
        about="The length of every word.",
        code_version="1",
        kinds=("text",),
        owner="data",
        after=("vocabulary",),
    )
    builder = Builder(
        config=lambda workspace: {},
        inputs=lambda workspace, partition: {"vocabulary": workspace.get("vocabulary").file_hash("words.txt")},
        build=_build_lengths,
    )
    monkeypatch.setitem(stages.BY_NAME, asset.name, asset)
    monkeypatch.setitem(importlib.import_module(f"{steps.__name__}.words").BUILDERS, asset.name, builder)
    monkeypatch.setitem(STEPS, asset.name, make_steps([asset])[asset.name])
    return asset


@pytest.fixture
def workspace(tmp_path):
    """A vocabulary of two words."""

    def write(folder, work):
        (folder / "words.txt").write_text("cup\ntable\n")
        return Built()

    with Workspace(tmp_path / "data", find_recipe("tiny")) as opened:
        opened.store.materialise(artifact_key("vocabulary"), Wanted("1", {}, {}), write)
        yield opened


def test_a_declared_asset_is_built_once_and_has_a_status(word_lengths, workspace):
    step = STEPS[word_lengths.name]
    assert partition_keys(workspace, word_lengths) == [""]
    assert [status.state for status in pipeline_status(workspace, [step])] == ["missing"]
    assert [run_steps(workspace, [step])[0].built for _ in range(2)] == [1, 0]
    assert workspace.get("word_lengths").file("lengths.txt").read_text() == "3\n5\n"
    assert [status.state for status in pipeline_status(workspace, [step])] == ["fresh"]


def test_a_declared_asset_is_one_of_dagsters(word_lengths, workspace, monkeypatch):
    dg = pytest.importorskip("dagster")
    from clip_pipeline.defs.asset import pipeline_asset
    from clip_pipeline.defs.resources import launch_resources

    definition = pipeline_asset(STEPS[word_lengths.name])
    node = definition.specs_by_key[dg.AssetKey("word_lengths")]
    assert (node.group_name, node.owners) == ("1_words", ["team:data"])
    assert node.description.startswith(word_lengths.about)
    monkeypatch.setenv("CLIP_PIPELINE_DATA", str(workspace.store.root))
    result = dg.materialize([definition], resources=launch_resources())
    (event,) = result.asset_materializations_for_node("word_lengths")
    assert event.metadata["Lengths"].value == 2
