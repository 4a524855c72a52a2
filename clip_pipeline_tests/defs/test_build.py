"""The code location as a whole: what it goes by, and what a changed profile changes of it."""

from __future__ import annotations

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline.defs.build import build_definitions  # noqa: E402

PROFILE = 'recipe = "tiny"\n[words]\nmin_count = {min_count}\n[compute]\nworkers = {workers}\n'


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Writes the profile anew and loads the code location as Dagster's "Reload" does."""
    profile = tmp_path / "mine.toml"
    monkeypatch.setenv("CLIP_PIPELINE_RECIPE", str(profile))
    monkeypatch.setenv("CLIP_PIPELINE_DATA", str(tmp_path / "data"))

    def loaded(**values: int) -> dg.RepositoryDefinition:
        profile.write_text(PROFILE.format(**values))
        return build_definitions().get_repository_def()

    return loaded


def code_versions(repository) -> dict[str, str]:
    graph = repository.asset_graph
    return {key.to_user_string(): graph.get(key).code_version for key in graph.get_all_asset_keys()}


def test_a_changed_profile_changes_the_code_versions_of_the_assets_whose_settings_it_changes(load):
    before = code_versions(load(min_count=20, workers=0))
    assert code_versions(load(min_count=20, workers=3)) == before, "what changes no bytes makes nothing stale"
    after = code_versions(load(min_count=30, workers=0))
    assert {name for name in before if before[name] != after[name]} == {"vocabulary"}


def test_the_page_says_which_settings_it_goes_by(load):
    first, second = (
        load(min_count=count, workers=0).asset_graph.get(dg.AssetKey("vocabulary")).description for count in (20, 30)
    )
    said = [line for text in (first, second) for line in text.splitlines() if "the recipe mine, version " in line]
    assert len(said) == 2 and said[0] != said[1]


def test_a_step_is_its_runs_own_process_so_that_none_is_left_when_the_run_is_killed(load):
    assert {job.executor_def.name for job in load(min_count=20, workers=0).get_all_jobs()} == {"in_process"}
