"""Links through the API, end to end on a small dump and a small Unsplash that counts what it is asked."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from clip_pipeline.api.status import verify
from clip_pipeline.cli import commands
from clip_pipeline.errors import (
    BudgetSpentError,
    MissingArtifactError,
    MissingKeyError,
    SettingsError,
    UnavailableError,
)
from clip_pipeline.images.links.buckets import bucket_of
from clip_pipeline.pipeline.graph import select
from clip_pipeline.pipeline.photo_sources.registry import search_plan
from clip_pipeline.pipeline.photo_sources.unsplash import live_key
from clip_pipeline.pipeline.run import run_steps
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe, with_settings
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline_tests.made.first_error import first_error
from clip_pipeline_tests.made.small_data import flip_bit
from clip_pipeline_tests.pipeline.unsplash_site import unsplash_site

KEY = "access-key-of-a-test"
PER_PAGE = 2
WORDS = {"cup": 5, "ball": 4, "tree": 3, "lamp": 2, "house": 1}
"""Words of the dump and how often each occurs, so the most useful comes first."""

PHOTOS = {
    "cup": [f"cup{number}" for number in range(7)],
    "ball": [f"ball{number}" for number in range(3)],
    "tree": ["tree0", "cup0"],
    "lamp": [],
    "house": ["broken-house"],
    "sea": ["sea0", "sea1"],
}
PAGES = Counter(cup=4, ball=2, tree=1, lamp=1, house=1, sea=1)
"""Pages of each word's search."""


def write_dump(path: Path, words: dict[str, int]) -> None:
    text = " ".join(word for word, count in words.items() for _ in range(count))
    path.write_text(
        '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">'
        '<siteinfo><namespaces><namespace key="0" /></namespaces></siteinfo>'
        f"<page><title>One</title><ns>0</ns><id>1</id><revision><id>1</id><text>{text}</text></revision></page>"
        "</mediawiki>\n"
    )


@pytest.fixture
def dump(tmp_path) -> Path:
    write_dump(tmp_path / "wiki.xml", WORDS)
    return tmp_path / "wiki.xml"


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("UNSPLASH_ACCESS_KEY", KEY)
    # The loopback server has no certificate.
    monkeypatch.setattr("clip_pipeline.sources.unsplash.api_client.LIVE_API", "http://api.unsplash.com")


@pytest.fixture
def unsplash():
    with unsplash_site(PHOTOS, PER_PAGE) as site:
        yield site


def recipe_for(dump: Path, *more: str) -> Recipe:
    settings = ["words.min_count=0", "wikipedia.parts=1", f"wikipedia.dump={dump}", "links.source=unsplash"]
    settings += ["links.accept_terms=true", "links.buckets=4", f"links.per_page={PER_PAGE}", "links.max_wait=0"]
    return with_settings(find_recipe("tiny"), [*settings, "compute.workers=1", *more])


def run(folder: Path, unsplash, recipe: Recipe, selection: str = "+image_links", force: bool = False) -> list[str]:
    """Runs, and returns the partitions of the last asset that were built."""
    with first_error(), Workspace(folder, recipe, unsplash.hosts) as workspace:
        last = run_steps(workspace, select(selection), force=force)[-1]
    return [key for key, materialised in last.partitions.items() if not materialised.hit]


def links(folder: Path) -> dict[str, list[str]]:
    tables = [pq.read_table(path).to_pylist() for path in sorted(folder.glob("images/image_links/*/links.parquet"))]
    found: dict[str, list[str]] = {}
    for row in (row for rows in tables for row in rows):
        found.setdefault(row["word"], []).append(row["id"])
    return found


def contents(folder: Path) -> list[str]:
    manifests = sorted(folder.glob("images/image_links/*/manifest.json"))
    return [json.loads(path.read_text())["content"] for path in manifests]


def asked(unsplash) -> Counter[str]:
    """Requests by word; every page once."""
    assert len(set(unsplash.searched)) == len(unsplash.searched)
    return Counter(word for word, _ in unsplash.searched)


# ---- one request a page, ever


def test_every_page_is_asked_for_once_with_the_key_and_every_photo_found(dump, unsplash, tmp_path):
    assert run(tmp_path / "data", unsplash, recipe_for(dump)) == ["000", "001", "002", "003"]
    assert asked(unsplash) == {word: PAGES[word] for word in WORDS}
    assert links(tmp_path / "data") == {word: PHOTOS[word] for word in WORDS if PHOTOS[word]}
    assert unsplash.keys["api.unsplash.com"] == {f"Client-ID {KEY}"}
    assert run(tmp_path / "data", unsplash, recipe_for(dump)) == []
    assert sum(asked(unsplash).values()) == sum(PAGES[word] for word in WORDS)


def test_a_new_word_touches_one_bucket_and_asks_for_nothing_that_is_known(dump, unsplash, tmp_path):
    run(tmp_path / "data", unsplash, recipe_for(dump))
    unsplash.searched.clear()
    write_dump(dump, {**WORDS, "sea": 9})  # the most useful of all now
    assert run(tmp_path / "data", unsplash, recipe_for(dump)) == [f"{bucket_of('sea', 4):03d}"]
    assert asked(unsplash) == {"sea": 1}
    assert links(tmp_path / "data") == {word: photos for word, photos in PHOTOS.items() if photos}
    run(tmp_path / "fresh", unsplash_of(unsplash), recipe_for(dump))
    assert contents(tmp_path / "fresh") == contents(tmp_path / "data")


def unsplash_of(unsplash):
    """The same site with nothing asked yet."""
    unsplash.searched.clear()
    return unsplash


def test_a_word_that_goes_and_another_order_ask_for_nothing(dump, unsplash, tmp_path):
    run(tmp_path / "data", unsplash, recipe_for(dump))
    unsplash.searched.clear()
    write_dump(dump, {"house": 9, "tree": 8, "ball": 2, "cup": 1})
    assert run(tmp_path / "data", unsplash, recipe_for(dump)) == [f"{bucket_of('lamp', 4):03d}"]
    assert unsplash.searched == []


@pytest.mark.parametrize(("name", "requests"), [("links.parquet", 0), ("pages.jsonl.gz", 1)])
def test_a_damaged_bucket_that_was_set_aside_uses_its_pages_where_they_are_whole(
    dump, unsplash, tmp_path, name, requests
):
    data = tmp_path / "data"
    run(data, unsplash, recipe_for(dump))
    expected, bucket = contents(data), f"{bucket_of('lamp', 4):03d}"
    flip_bit(data / "images/image_links" / bucket / name, 99)
    assert verify(data, deep=True, repair=True).repaired == (f"image_links[{bucket}]",)
    unsplash.searched.clear()
    assert run(data, unsplash, recipe_for(dump)) == [bucket]
    assert bool(unsplash.searched) == bool(requests)
    assert contents(data) == expected


def test_force_asks_anew(dump, unsplash, tmp_path):
    run(tmp_path / "data", unsplash, recipe_for(dump))
    unsplash.searched.clear()
    unsplash.photos_of = {**PHOTOS, "lamp": ["lamp0"]}
    assert len(run(tmp_path / "data", unsplash, recipe_for(dump), "image_links", force=True)) == 4
    assert asked(unsplash) == {word: PAGES[word] for word in WORDS}
    assert links(tmp_path / "data")["lamp"] == ["lamp0"]


def test_more_photos_a_word_ask_only_for_further_pages(dump, unsplash, tmp_path):
    run(tmp_path / "data", unsplash, recipe_for(dump, "links.photos_per_word=2"))
    assert asked(unsplash) == dict.fromkeys(WORDS, 1)
    run(tmp_path / "data", unsplash, recipe_for(dump))
    assert asked(unsplash) == {word: PAGES[word] for word in WORDS}
    run(tmp_path / "fresh", unsplash_of(unsplash), recipe_for(dump))
    assert contents(tmp_path / "fresh") == contents(tmp_path / "data")


# ---- the budget


def test_a_spent_budget_stops_with_a_sentence_and_the_next_runs_go_on_inside_the_word(dump, unsplash, tmp_path):
    folder = tmp_path / "data"
    for limit in (1, 2, 3, 4, 5, 6, 7, 8):
        with pytest.raises(BudgetSpentError, match=rf"budget of {limit} requests an hour.*Run again then"):
            run(folder, unsplash, recipe_for(dump, f"links.requests_per_hour={limit}"))
        assert len(unsplash.searched) == limit
    # The settings may change on the way: the pages that came are still answers to the same queries.
    run(folder, unsplash, recipe_for(dump, "links.requests_per_hour=9", "links.photos_per_word=299"))
    assert asked(unsplash) == {word: PAGES[word] for word in WORDS}
    run(tmp_path / "fresh", unsplash_of(unsplash), recipe_for(dump, "links.photos_per_word=299"))
    assert contents(tmp_path / "fresh") == contents(folder)
    assert not list((folder / ".work").glob("images/image_links/*/pieces"))


def test_a_ledger_of_ones_own_is_shared_between_data_folders(dump, unsplash, tmp_path):
    shared = (f"links.ledger={tmp_path / 'shared' / 'requests.sqlite'}", "links.requests_per_hour=12")
    run(tmp_path / "one", unsplash, recipe_for(dump, *shared))
    with pytest.raises(BudgetSpentError):
        run(tmp_path / "two", unsplash_of(unsplash), recipe_for(dump, *shared))
    assert len(unsplash.searched) == 12 - sum(PAGES[word] for word in WORDS)


def test_few_requests_go_to_the_most_useful_words_of_the_whole_vocabulary(dump, unsplash, tmp_path):
    few = ("links.max_requests=5", "links.photos_per_word=7")
    run(tmp_path / "data", unsplash, recipe_for(dump, *few))
    assert asked(unsplash) == {"cup": 4, "ball": 1}
    assert links(tmp_path / "data") == {"cup": PHOTOS["cup"], "ball": PHOTOS["ball"][:2]}
    more = ("links.max_requests=6", "links.photos_per_word=7")
    assert run(tmp_path / "data", unsplash, recipe_for(dump, *more)) == [f"{bucket_of('ball', 4):03d}"]
    assert asked(unsplash) == {"cup": 4, "ball": 2}


# ---- the plan


def plan_of(folder: Path, recipe: Recipe, unsplash):
    with Workspace(folder, recipe, unsplash.hosts) as workspace:
        return search_plan(workspace)


def test_the_plan_counts_what_is_to_be_asked(dump, unsplash, tmp_path):
    recipe = recipe_for(dump, "links.photos_per_word=10", "links.requests_per_hour=5")
    run(tmp_path, unsplash, recipe, "+vocabulary")
    plan = plan_of(tmp_path, recipe, unsplash)
    assert (plan.words, plan.searched, plan.most, plan.answered, plan.left) == (5, 5, 25, 0, 5)
    with pytest.raises(BudgetSpentError):
        run(tmp_path, unsplash, recipe)
    halfway = plan_of(tmp_path, recipe, unsplash)
    assert halfway.left == 0
    assert 3500 < halfway.wait <= 3600
    assert halfway.answered >= 5
    wider = recipe_for(dump, "links.photos_per_word=10", "links.requests_per_hour=50")
    run(tmp_path, unsplash, wider)
    done = plan_of(tmp_path, wider, unsplash)
    assert (done.most, done.to_ask, done.left) == (25, 0, 50 - sum(PAGES[word] for word in WORDS))
    assert unsplash.searched == [*dict.fromkeys(unsplash.searched)]


def test_the_command_prints_the_plan_and_sends_nothing(dump, unsplash, tmp_path):
    recipe = recipe_for(dump)
    run(tmp_path / "data", unsplash, recipe, "+vocabulary")
    settings = [f"wikipedia.dump={dump}", "links.source=unsplash", "links.buckets=4", "links.max_requests=4330"]
    arguments = ["plan", "--recipe", "tiny", "--data", str(tmp_path / "data")]
    result = CliRunner().invoke(commands, [*arguments, *(f"--set={setting}" for setting in settings)])
    assert result.exit_code == 0, result.output
    lines = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    assert {name: value.strip() for name, value in lines.items()} == {
        "words in the vocabulary": "5",
        "words searched": "5",
        "requests at most": "50",
        "already answered": "0",
        "limit": "50 an hour, as for a new key, until the service tells it",
        "left this hour": "50",
        "time at most": "50 requests at 50 an hour: 1.0 h; 36 s with a production key",
    }
    assert unsplash.searched == []


def test_a_plan_without_a_vocabulary_is_a_sentence(dump, tmp_path):
    with (
        Workspace(tmp_path / "data", recipe_for(dump)) as workspace,
        pytest.raises(MissingArtifactError, match=r"vocabulary is needed.*Materialise vocabulary first"),
    ):
        search_plan(workspace)


def test_a_plan_for_photos_that_need_no_search_is_a_sentence(dump, tmp_path):
    recipe = with_settings(recipe_for(dump), ["links.source=folder"])
    with Workspace(tmp_path, recipe) as workspace, pytest.raises(SettingsError, match="makes no search"):
        search_plan(workspace)


def test_before_the_first_word_the_log_says_what_is_ahead(dump, unsplash, tmp_path, caplog):
    caplog.set_level("INFO", logger="clip_pipeline")
    run(tmp_path, unsplash, recipe_for(dump))
    told = [record.getMessage() for record in caplog.records]
    assert sum(line.startswith("requests at most: 750") for line in told) == 1  # 5 words, 300 photos, 2 a page
    assert any(line.startswith("time at most: 750 requests at 50 an hour: 15 h; 9 min") for line in told)


# ---- keys and troubles


def test_without_a_key_there_is_a_sentence(monkeypatch):
    monkeypatch.delenv("UNSPLASH_ACCESS_KEY")
    with pytest.raises(MissingKeyError, match=r"needs a key and none was found.*UNSPLASH_ACCESS_KEY"):
        live_key(accept_terms=True)


def test_a_key_without_acceptance_is_a_sentence():
    with pytest.raises(MissingKeyError, match=r"forbid automated data mining.*links\.accept_terms=true"):
        live_key(accept_terms=False)


@pytest.mark.parametrize("key", ["two words", "a\nb", "schlüssel"])
def test_what_cannot_be_a_key_is_a_sentence(monkeypatch, key):
    monkeypatch.setenv("UNSPLASH_ACCESS_KEY", key)
    with pytest.raises(MissingKeyError, match="something else than a key") as caught:
        live_key(accept_terms=True)
    assert key not in str(caught.value)


def test_a_key_and_acceptance_are_enough(monkeypatch):
    monkeypatch.setenv("UNSPLASH_ACCESS_KEY", " my-key\n")
    assert live_key(accept_terms=True) == "my-key"


def test_without_acceptance_nothing_is_sent(dump, unsplash, tmp_path):
    with pytest.raises(MissingKeyError):
        run(tmp_path, unsplash, with_settings(recipe_for(dump), ["links.accept_terms=false"]))
    assert unsplash.searched == []


def test_without_a_network_the_run_ends_with_a_sentence(dump, unsplash, tmp_path, monkeypatch):
    monkeypatch.setattr("clip_pipeline.sources.unsplash.api_client.MAX_TRIES", 2)
    recipe = recipe_for(dump)
    run(tmp_path, unsplash, recipe, "+vocabulary")
    with (
        Workspace(tmp_path, recipe, {"api.unsplash.com": ("127.0.0.1", 1)}) as workspace,
        pytest.raises(UnavailableError, match="Check the network and run again"),
        first_error(),
    ):
        run_steps(workspace, select("image_links"), waits=())


# ---- downloads told once


KEPT = {photo for word in WORDS for photo in PHOTOS[word] if not photo.startswith("broken")}


def test_every_photo_that_is_kept_is_told_once_for_ever(dump, unsplash, tmp_path):
    recipe = recipe_for(dump)
    run(tmp_path, unsplash, recipe, "+image_shards")
    assert unsplash.downloads == dict.fromkeys(KEPT, 1)
    run(tmp_path, unsplash, recipe, "+image_shards")
    run(tmp_path, unsplash, recipe, "image_shards", force=True)
    write_dump(dump, {**WORDS, "sea": 1})
    run(tmp_path, unsplash, recipe, "+image_shards")
    assert unsplash.downloads == dict.fromkeys(KEPT | set(PHOTOS["sea"]), 1)
    assert unsplash.keys["images.unsplash.com"] == {None}  # the key goes to the API alone


def test_downloads_that_fail_leave_the_shard_and_are_told_by_the_next_run(dump, unsplash, tmp_path, monkeypatch):
    monkeypatch.setattr("clip_pipeline.sources.unsplash.api_client.MAX_TRIES", 1)
    unsplash.downloads_fail = True
    recipe = recipe_for(dump)
    assert run(tmp_path, unsplash, recipe, "+image_shards")
    assert unsplash.downloads == {}
    unsplash.downloads_fail = False
    assert run(tmp_path, unsplash, recipe, "+image_shards") == []  # nothing is built again
    assert unsplash.downloads == dict.fromkeys(KEPT, 1)


def test_downloads_are_told_within_the_budget_and_the_rest_later(dump, unsplash, tmp_path):
    searches = sum(PAGES[word] for word in WORDS)
    run(tmp_path, unsplash, recipe_for(dump, f"links.requests_per_hour={searches + 4}"), "+image_shards")
    assert unsplash.downloads.total() == 4
    run(tmp_path, unsplash, recipe_for(dump, "links.requests_per_hour=100"), "+image_shards")
    assert unsplash.downloads == dict.fromkeys(KEPT, 1)


def test_downloads_are_not_told_where_the_setting_says_so(dump, unsplash, tmp_path):
    run(tmp_path, unsplash, recipe_for(dump, "links.count_downloads=false"), "+image_shards")
    assert unsplash.downloads == {}
