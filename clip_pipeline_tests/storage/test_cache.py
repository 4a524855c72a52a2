"""Folders that are made once."""

from __future__ import annotations

import threading
import time

import pytest

from clip_pipeline.storage.cache import cached_folder
from clip_pipeline_tests.made.damage import KINDS, damage
from clip_pipeline_tests.made.small_data import flip_bit


def test_a_folder_is_made_once_for_an_identity(tmp_path):
    built = []

    def build(folder):
        built.append(folder)
        (folder / "file").write_text(f"{len(built)}")

    first = cached_folder(tmp_path, "links", "a" * 64, build)
    assert cached_folder(tmp_path, "links", "a" * 64, build) == first
    assert (first / "file").read_text() == "1"
    assert (cached_folder(tmp_path, "links", "b" * 64, build) / "file").read_text() == "2"


def test_a_build_that_fails_leaves_nothing_and_is_tried_again(tmp_path):
    def fail(folder):
        (folder / "half").write_text("")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_folder(tmp_path, "links", "a", fail)
    folder = cached_folder(tmp_path, "links", "a", lambda folder: (folder / "whole").write_text(""))
    assert [path.name for path in folder.iterdir()] == ["whole"]


def test_two_that_want_it_at_once_take_turns(tmp_path):
    built = []

    def build(folder):
        built.append(folder)
        time.sleep(0.1)
        (folder / "file").write_text("")

    threads = [threading.Thread(target=cached_folder, args=(tmp_path, "links", "a", build)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1


def test_the_newest_two_are_kept(tmp_path):
    for name in "abc":
        cached_folder(tmp_path, "links", name, lambda folder: (folder / "file").write_text(""))
        time.sleep(0.01)
    assert sorted(path.name for path in (tmp_path / ".cache" / "links").iterdir() if path.is_dir()) == ["b", "c"]


def made(tmp_path, built: list):
    def build(folder):
        built.append(folder)
        (folder / "choice.json").write_text('{"runtime": "torch"}')

    return cached_folder(tmp_path, "runtimes", "a", build)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_of_a_cache_is_made_anew(tmp_path, caplog, kind):
    built: list = []
    damage(made(tmp_path, built) / "choice.json", kind)
    assert (made(tmp_path, built) / "choice.json").read_text() == '{"runtime": "torch"}'
    assert len(built) == 2 and "is made anew: choice.json" in caplog.text
    made(tmp_path, built)
    assert len(built) == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["a", "a.json"])
def test_whatever_lies_in_the_place_of_a_cache_is_replaced(tmp_path, place, kind):
    built: list = []
    damage(made(tmp_path, built).with_name(place), kind)
    assert (made(tmp_path, built) / "choice.json").read_text() == '{"runtime": "torch"}'
    assert len(built) == 2


def test_a_flipped_bit_of_a_small_file_is_noticed_although_size_and_time_are_kept(tmp_path):
    built: list = []
    flip_bit(made(tmp_path, built) / "choice.json", 12)
    assert (made(tmp_path, built) / "choice.json").read_text() == '{"runtime": "torch"}'
