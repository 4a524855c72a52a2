"""Which assets may grow old, and Dagster's own verdict on one that did."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline.defs.automation.freshness import freshness_policy  # noqa: E402
from clip_pipeline.pipeline.graph import STEPS  # noqa: E402
from clip_pipeline.settings import with_settings  # noqa: E402
from clip_pipeline.settings.recipes import find_recipe  # noqa: E402
from clip_pipeline_tests.defs.conftest import load_definitions  # noqa: E402


def test_only_what_a_service_gave_grows_old():
    def having(*settings):
        recipe = with_settings(find_recipe("tiny"), settings)
        return {name for name in STEPS if freshness_policy(name, recipe)}

    assert having() == set(), "the sandbox does not change"
    assert having("wikipedia.dump=mirror", "links.source=unsplash") == {"wikipedia_dump", "image_links"}
    assert having("wikipedia.dump=mirror", "wikipedia.date=20260101", "links.source=url_list") == set()


def test_a_dump_of_two_months_is_a_warning_on_the_page(monkeypatch, tmp_path):
    from dagster._core.definitions.freshness_evaluator import TimeWindowFreshnessPolicyEvaluator
    from dagster._core.loader import LoadingContextForTest
    from dagster._core.test_utils import freeze_time
    from dagster._time import get_current_datetime

    monkeypatch.setenv("CLIP_PIPELINE_RECIPE", "tiny")
    monkeypatch.setenv("CLIP_PIPELINE_SETTINGS", "wikipedia.dump=mirror")
    monkeypatch.setenv("CLIP_PIPELINE_DATA", str(tmp_path))
    node = load_definitions(monkeypatch).resolve_asset_graph().get(dg.AssetKey("wikipedia_dump"))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("wikipedia_dump"))

        def state_after(days: int) -> str:
            with freeze_time(get_current_datetime() + timedelta(days=days)):
                verdict = TimeWindowFreshnessPolicyEvaluator().evaluate_freshness(LoadingContextForTest(instance), node)
                return asyncio.run(verdict).value

        assert [state_after(days) for days in (1, 60, 80)] == ["PASS", "WARN", "FAIL"]
