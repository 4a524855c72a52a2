"""`clip-pipeline verify` on a terminal."""

from __future__ import annotations

import json

import pytest

from clip_pipeline.cli.program import main
from clip_pipeline_tests.made.small_data import KEYS, flip_bit, small_data


@pytest.fixture
def store(tmp_path):
    return small_data(tmp_path / "data")


@pytest.fixture
def verify(monkeypatch, capsys, store):
    """verify(options) gives (exit status, what is printed)."""

    def call(*options: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["clip-pipeline", "verify", "--data", str(store.root), *options])
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return call


def test_a_whole_folder_ends_with_success_and_says_what_was_not_looked_at(verify):
    status, text = verify()
    assert status == 0
    assert "4 artifacts, 16 files" in text and "changed bits are found with --deep or --sample" in text
    assert text.splitlines()[1] == "No damage was found."


def test_damage_ends_with_status_1_a_table_and_one_line_that_mends(verify, store):
    flip_bit(store.get(KEYS[1]).file("a.bin"), 3)
    store.get(KEYS[0]).file("b.bin").unlink()
    status, text = verify("--deep", "--recipe", "tiny")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert status == 1
    assert (
        "image_shards 00000 a.bin differs from its manifest set it aside with --repair, and the next run builds it"
        in lines
    )
    assert "vocabulary b.bin is missing the next run builds it" in lines
    options = f"--recipe tiny --data {store.root}"
    assert lines[-1] == (
        f"Mend 2 artifacts with: clip-pipeline verify --deep --repair --select image_shards --partition 00000 {options}; "
        f"clip-pipeline run --select vocabulary,image_shards {options}"
    )


def test_after_the_repair_only_the_run_is_left(verify, store):
    flip_bit(store.get(KEYS[1]).file("a.bin"), 3)
    status, text = verify("--deep", "--repair")
    assert status == 1 and "Set aside: image_shards[00000]" in text
    assert text.splitlines()[-1] == f"Mend 1 artifact with: clip-pipeline run --select image_shards --data {store.root}"


def test_json_has_everything_and_the_same_status(verify, store):
    store.get(KEYS[0]).file("b.bin").unlink()
    status, text = verify("--json", "--sample", "10", "--seed", "7")
    found = json.loads(text)
    assert status == 1 and found["damaged"] == 1 and (found["percent"], found["seed"]) == (10, 7)
    assert found["findings"][0]["found"] == "b.bin is missing" and found["findings"][0]["kind"] == "damaged"


def test_a_sample_says_how_to_draw_it_again(verify):
    _, text = verify("--sample", "25", "--seed", "5")
    assert "of the bytes were read (drawn by chance: the same with --sample 25 --seed 5)" in text


def test_a_folder_that_is_none_is_a_sentence(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("sys.argv", ["clip-pipeline", "verify", "--data", str(tmp_path / "no")])
    with pytest.raises(SystemExit):
        main()
    assert "is no folder, a data folder was expected. Name it with --data." in capsys.readouterr().err
