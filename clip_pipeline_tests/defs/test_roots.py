"""Files that the launchpad could name: below the roots, and never a pickle."""

from __future__ import annotations

import warnings

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline.settings.environment import page_roots, roots_text  # noqa: E402
from clip_pipeline.settings.fields import find_field  # noqa: E402
from clip_pipeline_tests.defs.conftest import load_definitions  # noqa: E402


@pytest.fixture
def empty_page(monkeypatch, tmp_path):
    """The definitions of the tiny recipe on an empty data folder."""
    monkeypatch.setenv("CLIP_PIPELINE_RECIPE", "tiny")
    monkeypatch.setenv("CLIP_PIPELINE_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return load_definitions(monkeypatch)


def test_the_roots_are_the_data_folder_and_the_current_one_unless_they_are_named(monkeypatch, tmp_path):
    monkeypatch.delenv("CLIP_PIPELINE_ROOTS", raising=False)
    monkeypatch.setenv("CLIP_PIPELINE_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    assert page_roots() == (tmp_path / "data", tmp_path)
    (tmp_path / "link").symlink_to("/usr")
    monkeypatch.setenv("CLIP_PIPELINE_ROOTS", roots_text([tmp_path / "link", "photos"]))
    assert page_roots()[1] == tmp_path / "photos" and page_roots()[0].name == "usr"


def test_a_ledger_outside_of_the_roots_is_refused(empty_page, tmp_path, monkeypatch):
    from clip_pipeline.defs.resources import PipelineResource

    (tmp_path / "link").symlink_to("/etc")
    for path in ("/etc/ledger", "../ledger", str(tmp_path / "link" / "ledger"), "~root/ledger"):
        with pytest.raises(dg.Failure, match="links.ledger is .*, which lies outside"):
            PipelineResource().workspace({"links.ledger": path})
    with PipelineResource().workspace({"links.ledger": str(tmp_path / "ledger")}) as workspace:
        assert workspace.recipe.links.ledger == str(tmp_path / "ledger") and workspace.roots == page_roots()


def test_every_setting_of_the_launchpad_that_could_name_a_file_is_checked(empty_page):
    from clip_pipeline.defs.resources import ALL_SPEED, FILE_SETTINGS

    texts = {name for name in ALL_SPEED if find_field(name).type is str and not find_field(name).choices}
    assert texts == {*FILE_SETTINGS, "download.contact"}, "a new one: does it name a file?"


def test_no_launchpad_offers_another_folder_for_values_or_an_input_from_a_file(empty_page):
    """Dagster would unpickle what lies there."""
    repository = empty_page.get_repository_def()
    for job in repository.get_all_jobs():
        resources = job.resource_defs
        assert {"io_manager", "pipeline"} <= set(resources) or not job.is_job
        fields = resources["io_manager"].config_schema.config_type
        assert not getattr(fields, "fields", {}), f"{job.name}: io_manager has {fields.fields}"
        for node in job.nodes_in_topological_order:
            assert all(one.dagster_type.loader is None for one in node.definition.input_defs), (
                f"{job.name}, {node.name}"
            )


def test_values_between_ops_are_kept_below_the_history_and_without_a_warning(tmp_path):
    from clip_pipeline.defs.resources import values_between_ops

    @dg.op
    def one() -> int:
        return 1

    @dg.op
    def checked(value: int) -> None:
        assert value == 1

    @dg.job(resource_defs={"io_manager": values_between_ops})
    def handed_on() -> None:
        checked(one())

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance, warnings.catch_warnings():
        warnings.simplefilter("error", dg.SupersessionWarning)
        assert handed_on.execute_in_process(instance=instance).success
    assert list(tmp_path.glob("storage/*/one/result"))
