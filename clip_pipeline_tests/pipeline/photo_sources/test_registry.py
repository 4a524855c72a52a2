"""Which sources of photos there are."""

from __future__ import annotations

from clip_pipeline.pipeline.photo_sources.registry import SOURCES, photo_source
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import with_settings
from clip_pipeline.settings.fields import find_field
from clip_pipeline.settings.recipes import find_recipe


def test_every_choice_of_links_source_has_its_class_and_no_class_is_left_over(tmp_path):
    assert set(SOURCES) == set(find_field("links.source").choices)
    for name, source in SOURCES.items():
        recipe = with_settings(find_recipe("tiny"), [f"links.source={name}", f"links.path={tmp_path}"])
        with Workspace(tmp_path / "data", recipe) as workspace:
            assert type(photo_source(workspace)) is source
            assert photo_source(workspace).config()["links.source"] == name


def test_who_knows_the_licences_and_where_photos_lie_is_said_by_the_class():
    assert {name for name, source in SOURCES.items() if source.photos_are_user_files} == {"folder", "tars"}
    assert {name for name, source in SOURCES.items() if source.owner_knows_licences} == {"folder", "tars", "url_list"}
    assert {name for name, source in SOURCES.items() if source.wants_reports} == {"unsplash"}
