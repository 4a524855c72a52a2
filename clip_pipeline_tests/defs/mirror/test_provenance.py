"""The page of a recipe that asks for something which is not there: all assets are on it, and the one that is wrong says so when it runs."""

from __future__ import annotations

import pytest

pytest.importorskip("dagster")

from clip_pipeline.defs.mirror.provenance import UNKNOWN_SETTINGS, definition_code_version  # noqa: E402
from clip_pipeline.defs.page.described import described  # noqa: E402
from clip_pipeline.pipeline.graph import STEPS  # noqa: E402
from clip_pipeline.pipeline.workspace import Workspace  # noqa: E402
from clip_pipeline.settings.assignments import with_settings  # noqa: E402
from clip_pipeline.settings.recipes import find_recipe  # noqa: E402


@pytest.mark.parametrize(
    ("settings", "unknown"),
    [
        (["links.source=folder", "links.path=nowhere"], {"image_links"}),
        (["links.source=url_list", "links.path=nowhere.csv"], {"image_links"}),
        (["links.source=unsplash_dataset", "links.path=nowhere"], {"image_links"}),
        (["links.source=folder"], {"image_links"}),
        (["training.model=nowhere.json"], {"bpe_tokenizer", "clip_checkpoint"}),
        (["wikipedia.dump=nowhere.bz2"], set()),
        (["evaluation.datasets=mine=/nowhere"], set()),
    ],
)
def test_a_path_that_is_not_there_takes_no_asset_from_the_page(settings, unknown, tmp_path):
    workspace = Workspace(tmp_path, with_settings(find_recipe("tiny"), settings))
    versions = {}
    for name, step in STEPS.items():
        assert described(step, workspace)["description"]
        versions[name] = definition_code_version(step, workspace)
    assert {name for name, version in versions.items() if version.endswith(f"-{UNKNOWN_SETTINGS}")} == unknown


def test_settings_that_cannot_be_told_are_none_that_anything_was_built_with(tmp_path):
    (tmp_path / "photos").mkdir()
    recipe = with_settings(find_recipe("tiny"), ["links.source=folder", f"links.path={tmp_path / 'photos'}"])
    step, workspace = STEPS["image_links"], Workspace(tmp_path, recipe)
    before = definition_code_version(step, workspace)
    (tmp_path / "photos").rmdir()
    assert definition_code_version(step, workspace) != before
