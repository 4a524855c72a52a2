"""What a mirror answered decides whether the dump is fresh, and nothing before it was asked."""

from __future__ import annotations

import pytest

from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.run import run_steps
from clip_pipeline.pipeline.sources.newest_dump import ask_newest_dump, known_newest_dump, newest_dump_input
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import with_settings
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline.storage.checked_json import checked_text, read_checked

DUMP = STEPS["wikipedia_dump"]


def recipe(*settings):
    return with_settings(find_recipe("tiny"), settings)


@pytest.fixture
def workspace(tmp_path):
    with Workspace(tmp_path / "data", recipe()) as made:
        yield made


def why_stale(workspace):
    return workspace.store.why_stale(DUMP.key(), DUMP.wanted(workspace))


def answered(workspace, date):
    """As if the mirror had answered."""
    memory = workspace.store.root / ".cache" / "newest_dump.json"
    memory.write_text(checked_text({**read_checked(memory).value, "date": date}))


def test_a_newer_dump_makes_the_old_one_stale_until_it_is_built_and_asking_alone_does_not(workspace):
    run_steps(workspace, [DUMP])
    assert known_newest_dump(workspace) == "" and newest_dump_input(workspace) == {} and not why_stale(workspace)
    assert ask_newest_dump(workspace) == workspace.get("wikipedia_dump").facts["date"] == "20260101"
    assert newest_dump_input(workspace) == {} and not why_stale(workspace)
    answered(workspace, "20260102")
    assert why_stale(workspace) == "its input the newest dump changed"
    answered(workspace, "20260101")
    assert not why_stale(workspace)


def test_a_dump_that_was_built_for_an_answer_stays_fresh_when_the_answer_is_forgotten(workspace):
    ask_newest_dump(workspace)
    (outcome,) = run_steps(workspace, [DUMP])
    assert outcome.partitions[""].artifact.manifest["inputs"] == {"the newest dump": "20260101"}
    (workspace.store.root / ".cache" / "newest_dump.json").unlink()
    assert not why_stale(workspace)


def test_the_answer_of_another_mirror_or_wiki_says_nothing(workspace):
    ask_newest_dump(workspace)
    for setting in ("wikipedia.wiki=dewiki", "wikipedia.mirror=https://example.org"):
        assert known_newest_dump(Workspace(workspace.store.root, recipe(setting))) == ""
    named = Workspace(workspace.store.root, recipe("wikipedia.date=20251201"))
    assert known_newest_dump(named) == "" and ask_newest_dump(named) == ""
