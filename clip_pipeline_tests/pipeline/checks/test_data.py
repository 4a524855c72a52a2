"""What the checks of photos and captions find."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.pipeline.checks.data import (
    captions_are_in_one_language,
    captions_are_rarely_repeated,
    captions_have_a_usual_length,
    images_show_little_text,
    photos_have_licences,
    photos_have_usual_sizes,
    words_have_photos,
)
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.records import IMAGE_LINKS, IMAGE_TEXT_PAIRS, PHOTO_CATALOG, SHARD_ATTEMPTS
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline.storage.manifest import Built, Wanted


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    recipe = find_recipe("tiny")
    return Workspace(tmp_path / "data", replace(recipe, links=replace(recipe.links, buckets=2)))


def put(workspace: Workspace, asset: str, files: dict[str, pa.Table], partition: str = "", **rows: int) -> None:
    """Publishes an artifact with these tables."""

    def build(folder: Path, work: Path) -> Built:
        for name, table in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            pq.write_table(table, folder / name)
        return Built(rows=rows)

    workspace.store.materialise(artifact_key(asset, partition), Wanted("1", {}, {}), build)


def table(schema: pa.Schema, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows of the schema; what is not given is null, or empty where it must be something."""
    empty = {"string": "", "int32": 0, "list<item: string>": []}
    must = {field.name: empty[str(field.type)] for field in schema if not field.nullable}
    return pa.Table.from_pylist([must | row for row in rows], schema=schema)


def put_captions(workspace: Workspace, captions: list[str]) -> None:
    rows = [{"photo_id": f"p{number}", "caption": caption} for number, caption in enumerate(captions)]
    put(workspace, "image_text_pairs", {"pairs.parquet": table(IMAGE_TEXT_PAIRS, rows)})


def put_attempts(workspace: Workspace, attempts: list[dict[str, Any]]) -> None:
    rows = [{"status": "success", **attempt} for attempt in attempts]
    put(workspace, "image_shards", {"00000.parquet": table(SHARD_ATTEMPTS, rows)}, "00000")


@pytest.mark.parametrize(("repeats", "passed"), [(11, False), (10, True)])
def test_captions_that_stand_with_many_photos_are_told(workspace, repeats, passed):
    put_captions(workspace, ["image may contain"] * repeats + [f"photo {number}" for number in range(100)])
    outcome = captions_are_rarely_repeated(workspace, "")
    assert outcome.passed is passed
    assert ("'image may contain'. See max_caption_photos" in outcome.found) is not passed


@pytest.mark.parametrize(("short", "passed"), [(26, False), (24, True)])
def test_captions_of_odd_length_are_told(workspace, short, passed):
    put_captions(workspace, ["red cup"] * (short - 1) + ["word " * 61] + ["a red cup"] * (100 - short))
    outcome = captions_have_a_usual_length(workspace, "")
    assert outcome.passed is passed
    assert outcome.numbers == {"short": short - 1, "long": 1, "share": short / 100}


@pytest.mark.parametrize(("german", "passed"), [(11, False), (9, True), (0, True)])
def test_captions_in_another_language_are_told(workspace, german, passed):
    captions = ["ein Hund, der mit dem Ball auf der Wiese ist"] * german + [
        "the dog is on the grass with his ball"
    ] * 89
    put_captions(workspace, captions)
    outcome = captions_are_in_one_language(workspace, "")
    assert (outcome.passed, outcome.numbers["language"], outcome.numbers["other"]) == (passed, "en", german)


def test_captions_without_function_words_have_no_language(workspace):
    put_captions(workspace, ["xyzzy plugh"])
    assert captions_are_in_one_language(workspace, "").passed


@pytest.mark.parametrize(("pages", "passed"), [(6, False), (5, True)])
def test_images_of_text_are_told(workspace, pages, passed):
    attempts = [{"text_share": 0.5}] * pages + [{"text_share": 0.1}] * (100 - pages)
    put_attempts(workspace, [*attempts, {"status": "not_found"}, {"text_share": None}])
    outcome = images_show_little_text(workspace, "00000")
    assert (outcome.passed, outcome.numbers["mostly text"]) == (passed, pages)


def test_tiny_and_narrow_photos_are_told(workspace):
    usual, small, narrow = ({"original_width": w, "original_height": h} for w, h in ((400, 300), (63, 99), (301, 100)))
    put_attempts(workspace, [usual] * 17 + [small] + [narrow] + [{"status": "not_found"}])
    outcome = photos_have_usual_sizes(workspace, "00000")
    assert not outcome.passed
    assert outcome.numbers == {"small": 1, "narrow": 1, "share": 2 / 19}


def test_words_without_photos_are_told_for_the_bucket_that_is_asked_for(workspace):
    rows = [{"word": "cup", "rank": 0, "words": []}, {"word": "cup", "rank": 1, "words": []}]
    put(workspace, "image_links", {"links.parquet": table(IMAGE_LINKS, rows)}, "001", words=3)
    outcome = words_have_photos(workspace, "001")
    assert (outcome.passed, outcome.found) == (False, "2 of 3 words have no photo")
    put(workspace, "image_links", {"links.parquet": table(IMAGE_LINKS, rows[:1])}, "000", words=1)
    assert words_have_photos(workspace, "000").passed and not words_have_photos(workspace, "001").passed


@pytest.mark.parametrize(
    ("source", "licences", "passed"),
    [
        ("unsplash", ["CC0", None], False),
        ("unsplash", ["CC0"], True),
        ("folder", [None], True),
        ("url_list", [None], False),
    ],
)
def test_missing_licences_are_told(workspace, source, licences, passed):
    recipe = replace(workspace.recipe, links=replace(workspace.recipe.links, source=source))
    workspace.recipe = recipe
    put(workspace, "photo_catalog", {"photos.parquet": table(PHOTO_CATALOG, [{"licence": one} for one in licences])})
    outcome = photos_have_licences(workspace, "")
    assert outcome.passed is passed
    assert outcome.numbers == {"without licence": licences.count(None)}
