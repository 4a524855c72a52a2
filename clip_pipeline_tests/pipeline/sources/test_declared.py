"""The states of the sources."""

from __future__ import annotations

import dataclasses

import pytest

from clip_pipeline.images.takedown import Takedown, add_takedowns
from clip_pipeline.pipeline.assets import ASSETS
from clip_pipeline.pipeline.sources.declared import SOURCES, UNREADABLE, source_of
from clip_pipeline.pipeline.stages import find_asset
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import with_settings
from clip_pipeline.settings.recipes import find_recipe


@pytest.fixture
def own(tmp_path):
    (tmp_path / "wiki.xml").write_text("<mediawiki>")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"1")
    settings = [f"wikipedia.dump={tmp_path / 'wiki.xml'}", "links.source=folder", f"links.path={tmp_path / 'photos'}"]
    return with_settings(find_recipe("tiny"), settings)


def versions(recipe, data) -> dict[str, str]:
    return {name: source.look(Workspace(data, recipe)).version for name, source in SOURCES.items()}


def test_each_source_is_read_by_an_asset_and_each_that_an_asset_reads_is_declared():
    assert {name for asset in ASSETS for name in asset.sources} == set(SOURCES)


def test_a_version_changes_with_its_own_source_alone(own, tmp_path):
    data = tmp_path / "data"
    before = versions(own, data)
    (tmp_path / "wiki.xml").write_text("<mediawiki></mediawiki>")
    assert _changed(before, after := versions(own, data)) == {"wikipedia_dump_source"}
    (tmp_path / "photos" / "b.jpg").write_bytes(b"2")
    assert _changed(after, before := versions(own, data)) == {"photo_source"}
    add_takedowns(data / "takedowns.jsonl", [Takedown("a")])
    assert _changed(before, versions(own, data)) == {"takedown_list"}


def _changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before if before[name] != after[name]}


def test_what_cannot_be_read_is_a_state_that_says_why(own, tmp_path):
    recipe = dataclasses.replace(own, links=dataclasses.replace(own.links, path=str(tmp_path / "nothing")))
    state = SOURCES["photo_source"].look(Workspace(tmp_path / "data", recipe))
    assert state.version == UNREADABLE and "nothing" in state.shown["problem"]


def test_the_budget_changes_its_numbers_and_never_its_version(tmp_path):
    from clip_pipeline.sources.web.request_ledger import RequestLedger

    settings = ["links.source=unsplash", f"links.ledger={tmp_path / 'ledger.sqlite'}", "links.requests_per_hour=50"]
    workspace = Workspace(tmp_path / "data", with_settings(find_recipe("tiny"), settings))
    look = SOURCES["search_budget"].look
    none = look(workspace)
    assert not (tmp_path / "ledger.sqlite").exists(), "a look makes no file"
    ledger = RequestLedger(tmp_path / "ledger.sqlite")
    ledger.budget("", 50).reserve()
    ledger.close()
    one = look(workspace)
    assert one.shown == {"requests left": 49, "requests an hour": 50, "used": 1} and one.version == none.version


def test_inputs_of_artifacts_belong_to_their_sources():
    assert source_of(find_asset("photo_catalog"), "taken down") == "takedown_list"
    assert source_of(find_asset("image_links"), "your captions 2") == "photo_source"
    assert source_of(find_asset("wikipedia_dump"), "the dump file") == "wikipedia_dump_source"
    assert source_of(find_asset("photo_catalog"), "image_links[000]") == ""
