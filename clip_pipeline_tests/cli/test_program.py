"""The command line as a person types it: what it prints, what it writes, how it fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from clip_pipeline.cli import commands
from clip_pipeline.sandbox.server import start_sandbox
from clip_pipeline.settings import SandboxSettings
from clip_pipeline_tests.made.warm_python import run_python

PAGES = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="en">
  <siteinfo><namespaces><namespace key="0" /></namespaces></siteinfo>
  <page><title>Cup</title><ns>0</ns><id>1</id><revision><id>1</id><text>A '''cup''' is a [[mug|cup]] for tea.</text></revision></page>
  <page><title>Tea</title><ns>0</ns><id>2</id><revision><id>2</id><text>Tea in a cup. {{Infobox|cup=cup}}</text></revision></page>
</mediawiki>
"""


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return run_python(["-m", "clip_pipeline", *arguments])


def fails_with(sentence: str, *arguments: object) -> None:
    """Exit status 1, one sentence, no traceback."""
    result = run(*arguments)
    assert result.returncode == 1, result.stderr
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        "run",
        "plan",
        "status",
        "words",
        "download",
        "tokenizer",
        "models",
        "train",
        "embed",
        "evaluate",
        "classify",
        "datasets",
        "datasets show",
        "datasets download",
        "sandbox",
        "sandbox serve",
    ],
)
def test_every_command_of_the_contract_has_help(command):
    result = CliRunner().invoke(commands, [*command.split(), "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_words_counts_a_dump(tmp_path):
    dump = tmp_path / "tea.xml"
    dump.write_text(PAGES)
    command = [
        sys.executable,
        "-m",
        "clip_pipeline",
        "words",
        dump,
        "-o",
        tmp_path / "counts.parquet",
        "--min-count",
        "1",
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    rows = pq.read_table(tmp_path / "counts.parquet").to_pylist()
    assert {row["word"]: (row["count"], row["documents"]) for row in rows} == {
        "cup": (3, 2),
        "a": (3, 2),
        "tea": (2, 2),
    }


@pytest.mark.slow
def test_tokenizer_learns_from_a_text_file(tmp_path):
    captions = tmp_path / "captions.txt"
    captions.write_text("a red cup\na blue cup\n" * 50)
    result = run("tokenizer", captions, "-o", tmp_path / "tokenizer", "--vocab-size", 300)
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / "tokenizer/tokenizer.json").read_text())["model"]["type"] == "BPE"


@pytest.mark.slow
def test_tokenizer_says_how_well_it_fits_and_takes_others_in_place_of_its_own(tmp_path):
    captions = tmp_path / "captions.txt"
    captions.write_text("a red cup\na blue cup on the table\n" * 50)
    learned = run("tokenizer", captions, "-o", tmp_path / "bpe", "--vocab-size", 300, "--context-length", 6)
    assert learned.returncode == 0, learned.stderr
    assert "50.00 % cut at 6" in learned.stdout
    assert "Note: 50.00 % of the captions have more than 6 tokens" in learned.stdout
    assert (tmp_path / "bpe/lengths.png").exists()
    clips = run("tokenizer", captions, "-o", tmp_path / "clip", "--kind", "clip")
    assert clips.stdout.startswith("49,408 tokens, 48,894 merges"), clips.stderr
    again = run("tokenizer", captions, "-o", tmp_path / "again", "--kind", tmp_path / "bpe")
    assert again.stdout.splitlines()[0] == learned.stdout.splitlines()[0], again.stderr


@pytest.mark.slow
def test_models_prints_the_named_ones_as_a_table_or_as_json():
    table = run("models", "tiny_test", "sandbox_small")
    assert table.returncode == 0, table.stderr
    assert [line.split()[1] for line in table.stdout.splitlines() if line[2] not in "-"][1:] == [
        "tiny_test",
        "sandbox_small",
    ]
    listed = run("models", "tiny_test", "--json")
    assert json.loads(listed.stdout)[0]["parameters"] == 31425
    fails_with('no model "tiny". Did you mean "tiny_test"?', "models", "tiny")


def test_the_list_of_models_is_there_at_once_because_it_loads_no_torch():
    code = (
        "import sys; from click.testing import CliRunner; from clip_pipeline.cli import commands; "
        "assert CliRunner().invoke(commands, ['models']).exit_code == 0; "
        "print({'torch', 'open_clip', 'timm', 'pandas'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "set()\n"


@pytest.mark.slow
def test_download_writes_shards_and_goes_on_where_it_was(tmp_path, monkeypatch):
    """Photos from loopback are refused without a mapping: the shards hold every attempt with its reason."""
    with start_sandbox(SandboxSettings(photos=50, articles=50)) as world:
        links = tmp_path / "links.parquet"
        urls = [f"http://127.0.0.1:{world.port}/images/photo-{number}" for number in range(5)]
        pq.write_table(pa.table({"url": urls, "caption": ["a cup"] * 5}), links)
        first = run("download", links, "-o", tmp_path / "shards")
    assert first.returncode == 0, first.stderr
    assert "0 of 5 photos" in first.stdout
    names = {path.name for path in (tmp_path / "shards").iterdir()}
    assert names == {"00000.tar", "00000.parquet", "00000_stats.json", "sizes.json"}
    statuses = pq.read_table(tmp_path / "shards/00000.parquet")["status"].to_pylist()
    assert statuses == ["forbidden_address"] * 5
    before = (tmp_path / "shards/00000.parquet").stat().st_mtime_ns
    assert run("download", links, "-o", tmp_path / "shards").returncode == 0
    assert (tmp_path / "shards/00000.parquet").stat().st_mtime_ns == before


def test_train_embed_evaluate_and_classify_on_files_of_ones_own(tiny_data, tmp_path):
    shards = tmp_path / "tars"
    shards.mkdir()
    for tar in (tiny_data / "images/image_shards").glob("*/*.tar"):
        (shards / tar.name).write_bytes(tar.read_bytes())
    trained = run("train", "--data", shards, "--recipe", "tiny", "-o", tmp_path / "model")
    assert trained.returncode == 0, trained.stderr
    embedded = run("embed", "--model", tmp_path / "model", "--images", shards, "-o", tmp_path / "embeddings")
    assert embedded.returncode == 0, embedded.stderr
    assert (tmp_path / "embeddings/images.npy").exists()
    held_out = tiny_data / "images/benchmark_dataset/held_out"
    scored = run("evaluate", "--model", tmp_path / "model", "--dataset", held_out, "-o", tmp_path / "scores.json")
    assert scored.returncode == 0, scored.stderr
    assert {row["task"] for row in json.loads((tmp_path / "scores.json").read_text())} == {"retrieval"}
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(_first_photo(next(shards.glob("*.tar"))))
    said = run("classify", photo, "--labels", "a red cup, a blue car", "--model", tmp_path / "model")
    assert said.returncode == 0, said.stderr
    assert "a red cup" in said.stdout
    assert "a blue car" in said.stdout


def _first_photo(tar: Path) -> bytes:
    from clip_pipeline.sources.photos.formats.tar_index import read_shard

    return next(read_shard(tar))[1]["jpg"]


def test_status_in_json_lists_every_artifact(tiny_data):
    result = run("status", "--recipe", "tiny", "--data", tiny_data, "--json")
    assert result.returncode == 0, result.stderr
    statuses = json.loads(result.stdout)
    asked_for = {status["asset"]: status["state"] for status in statuses if status["state"] != "fresh"}
    named = ("parallelism_benchmark", "character_corpus", "character_model", "language_scores")
    assert asked_for == dict.fromkeys(named, "on request")
    assert {"asset", "partition", "state", "why", "bytes", "fingerprint"} <= statuses[0].keys()


@pytest.mark.slow
def test_wrong_input_is_one_sentence(tmp_path):
    (tmp_path / "no.xml").write_text("hello")
    (tmp_path / "empty").mkdir()
    fails_with('no recipe "sandbux". Did you mean "sandbox"?', "run", "--recipe", "sandbux")
    fails_with('Did you mean "words.min_count"?', "run", "--set", "words.min_cuont=3")
    fails_with('no asset "vocabulry". Did you mean "vocabulary"?', "run", "--select", "vocabulry")
    fails_with("There is no dump file", "words", tmp_path / "none.xml", "-o", tmp_path / "out.parquet")
    fails_with("is no XML", "words", tmp_path / "no.xml", "-o", tmp_path / "out.parquet")
    fails_with("does not exist", "tokenizer", tmp_path / "none.txt", "-o", tmp_path / "tokenizer")
    fails_with("holds no photos", "train", "--data", tmp_path / "empty", "-o", tmp_path / "model", "--recipe", "tiny")
    fails_with("needs links.path", "run", "--recipe", "laptop", "--data", tmp_path / "data", "--set",
               f"wikipedia.dump={_dump(tmp_path)}", "--set", "words.min_count=0", "--select", "+image_links")  # fmt: skip


@pytest.mark.slow
def test_photos_whose_captions_lie_elsewhere_are_told_before_the_words_are_counted(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.jpg").touch()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "captions.csv").write_text("file,caption\na.jpg,A cup\n")
    fails_with("text/captions.csv may be meant", "run", "--recipe", "laptop", "--data", tmp_path / "data", "--set",
               f"wikipedia.dump={_dump(tmp_path)}", "--set", "links.source=folder", "--set",
               f"links.path={tmp_path / 'images'}")  # fmt: skip
    assert not (tmp_path / "data" / "words").exists()


@pytest.mark.slow
def test_a_model_to_go_on_from_that_is_not_there_is_told_before_the_words_are_counted(tmp_path):
    fails_with("nowhere is no folder", "run", "--recipe", "tiny", "--data", tmp_path / "data",
               "--set", f"training.init_from={tmp_path / 'nowhere'}")  # fmt: skip
    fails_with("sandbox_small", "run", "--recipe", "tiny", "--data", tmp_path / "data", "--set",
               "training.model=sandbox_smal")  # fmt: skip
    assert not (tmp_path / "data" / "words").exists()


def _dump(folder: Path) -> Path:
    path = folder / "tea.xml"
    path.write_text(PAGES)
    return path


def test_a_partition_that_no_asset_has_names_the_nearest(tiny_data):
    fails_with('Did you mean "part-00', "run", "--recipe", "tiny", "--data", tiny_data, "--select", "word_counts",
               "--partition", "part-00x", "--no-history")  # fmt: skip


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    fails_with(
        "Name another with --data",
        "run",
        "--recipe",
        "tiny",
        "--data",
        tmp_path / "file" / "data",
        "--select",
        "wikipedia_dump",
    )


def test_a_warning_is_said_once_an_error_each_time(capsys):
    import logging

    from clip_pipeline.cli.program import SaidOnce

    logger, handler = logging.Logger("one of the test"), logging.StreamHandler(sys.stderr)
    handler.addFilter(SaidOnce())
    logger.addHandler(handler)
    for step in ("images", "texts"):
        logger.warning("%s: %d classes have no photo", "pets", 3)
        logger.warning("of %s", step)
        logger.error("no disk")
    assert capsys.readouterr().err.splitlines() == [
        "pets: 3 classes have no photo",
        "of images",
        "no disk",
        "of texts",
        "no disk",
    ]


def test_a_command_leaves_the_warnings_of_its_process_alone():
    import logging

    from clip_pipeline.cli.program import SaidOnce

    before = list(logging.getLogger().handlers)
    assert before, "those of the tests"
    CliRunner().invoke(commands, ["models", "tiny_test"])
    assert logging.getLogger().handlers == before
    assert not any(isinstance(one, SaidOnce) for handler in before for one in handler.filters)
