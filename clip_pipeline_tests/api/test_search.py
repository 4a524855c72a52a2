"""`clip_pipeline.search` and `clip-pipeline search` in the data folder of a whole run."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import clip_pipeline
from clip_pipeline.cli import commands
from clip_pipeline.errors import MissingArtifactError, SettingsError, StoreError
from clip_pipeline.images.takedown import TAKEDOWNS_FILE
from clip_pipeline.pipeline.takedown import take_down
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings.recipes import find_recipe


@pytest.fixture
def data(tiny_data, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_data, tmp_path / "data", copy_function=shutil.copy2))


def run(*arguments: object) -> str:
    result = CliRunner().invoke(commands, ["search", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def facts_of(data: Path) -> list[dict]:
    return pq.read_table(data / "search/search_index/tiny_test/facts.parquet").to_pylist()


def test_the_index_holds_every_photo_of_the_shards(tiny_data):
    tables = [
        pq.read_table(path).to_pylist() for path in sorted((tiny_data / "images/image_shards").glob("*/*.parquet"))
    ]
    stored = [row["id"] for table in tables for row in table if row["status"] == "success"]
    assert [row["id"] for row in facts_of(tiny_data)] == stored


def test_words_and_likeness_from_python(tiny_data):
    answer = clip_pipeline.search("a red cup", tiny_data, top=7)
    assert len(answer.photos) == 7 and answer.searched == answer.indexed == len(facts_of(tiny_data))
    assert [photo.score for photo in answer.photos] == sorted((photo.score for photo in answer.photos), reverse=True)
    photo = answer.photos[3].id
    assert clip_pipeline.search("", tiny_data, like=photo).photos[0].id == photo
    assert "thumbnail" not in answer.photos[0].facts and answer.photos[0].facts["attribution"]


def test_a_copy_of_a_photo_finds_it(tiny_data, tmp_path):
    first = clip_pipeline.search("cup", tiny_data, top=3, output=tmp_path / "found").photos[0]
    copied = clip_pipeline.search(data=tiny_data, like=tmp_path / "found" / "0001.jpg", top=3)
    assert copied.photos[0].id == first.id and copied.photos[0].cosine > 0.999


def test_copies_come_with_whom_to_name_and_a_second_search_replaces_them(tiny_data, tmp_path):
    lines = run("cup", "--data", tiny_data, "--top", 5, "-o", tmp_path / "found", "-f").splitlines()
    assert [Path(line).name for line in lines] == [f"000{place}.jpg" for place in range(1, 6)]
    assert all(Path(line).read_bytes().startswith(b"\xff\xd8") for line in lines)
    rows = list(csv.DictReader((tmp_path / "found/attribution.csv").open(encoding="utf-8", newline="")))
    known = {row["id"]: row for row in facts_of(tiny_data)}
    assert [row["file"] for row in rows] == [Path(line).name for line in lines]
    assert all(row["attribution"] == known[row["id"]]["attribution"] for row in rows)
    assert "Wrote" in run("boat", "--data", tiny_data, "--top", 2, "-o", tmp_path / "found")
    assert len(list((tmp_path / "found").glob("*.jpg"))) == 2


def test_the_command_prints_a_line_a_photo_and_what_it_knows_of_the_words(tiny_data):
    lines = run("a purple teapot", "--data", tiny_data, "--top", 3).splitlines()
    assert len(lines) == 4 and lines[0].startswith("   1  ")
    assert 'no caption of the training holds "teapot"' in lines[3] or '"purple", "teapot"' in lines[3]
    found = json.loads(run("cup word:cup", "--data", tiny_data, "--top", 2, "--json"))
    assert len(found["photos"]) == 2 and found["searched"] < found["indexed"] and found["sentence"]
    assert {"id", "score", "cosine", "fit", "captions", "licence", "better_than_captions"} <= found["photos"][0].keys()


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"query": ""}, SettingsError, "The query is empty"),
        ({"query": "x" * 100_000}, SettingsError, "100,000 characters"),
        ({"query": "cup*nan"}, SettingsError, "a number above 0"),
        ({"query": "", "like": "no-such-photo"}, SettingsError, "in the index, and no such file"),
        ({"query": "cup", "model": "other"}, SettingsError, r"has no model other\. Indexes: There are tiny_test"),
        ({"query": "cup", "split": "dev"}, SettingsError, "No photo is of the split"),
        ({"query": "cup", "top": 0}, SettingsError, "expected 1 to 10,000"),
    ],
)
def test_bad_input_is_a_sentence(tiny_data, arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        clip_pipeline.search(data=tiny_data, **arguments)


def test_folders_without_an_index_say_what_makes_one(data, tmp_path):
    with pytest.raises(StoreError, match="There is no data folder"):
        clip_pipeline.search("cup", tmp_path / "nowhere")
    (tmp_path / "foreign").mkdir()
    with pytest.raises(MissingArtifactError, match="neither a model nor a search index"):
        clip_pipeline.search("cup", tmp_path / "foreign")
    shutil.rmtree(data / "search")
    with pytest.raises(
        MissingArtifactError, match=r"has no search index of its photos\. Materialise search_index first"
    ):
        clip_pipeline.search("cup", data)
    with pytest.raises(MissingArtifactError, match="There is no search index of tiny_test"):
        clip_pipeline.search("cup", data, model="tiny_test")


def test_a_model_that_was_trained_again_is_not_asked(data):
    about = data / "search/search_index/tiny_test/index.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"model_sha256": "0" * 64}))
    with pytest.raises(MissingArtifactError, match="trained again after its search index was made"):
        clip_pipeline.search("cup", data)
    photo = facts_of(data)[0]["id"]
    assert clip_pipeline.search("", data, like=photo).photos[0].id == photo, "photos of the index need no model"


def test_a_photo_that_is_taken_down_is_gone_at_once_and_from_the_index(data):
    photo = clip_pipeline.search("cup", data).photos[0].id
    (data / TAKEDOWNS_FILE).write_text(
        json.dumps({"id": photo}) + "\n"
    )  # a take-down that was killed after its first step
    assert photo not in [one.id for one in clip_pipeline.search("cup", data, top=500).photos]
    with pytest.raises(SettingsError, match=f"The photo {photo} was taken down"):
        clip_pipeline.search("", data, like=photo)
    (data / TAKEDOWNS_FILE).unlink()
    with Workspace(data, find_recipe("tiny")) as workspace:
        take_down(workspace, [photo], "asked")
    assert photo not in [row["id"] for row in facts_of(data)]
    for path in sorted((data / "search").rglob("*")):
        assert not path.is_file() or photo.encode() not in path.read_bytes(), path
