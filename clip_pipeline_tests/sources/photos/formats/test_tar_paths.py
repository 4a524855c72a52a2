"""Which tars a path means."""

from __future__ import annotations

import gzip
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.formats.tar_paths import (
    find_tars,
    holds_tars,
    is_tar_name,
    is_tar_pattern,
    tar_path,
    tar_root,
    tar_stem,
    without_tar_ending,
)
from clip_pipeline.sources.photos.local_photos import LocalPhotos
from clip_pipeline.sources.photos.open import open_photos
from clip_pipeline_tests.made.opened_photos import list_tars
from clip_pipeline_tests.sources.photos.formats.test_tars import write_tar


@pytest.fixture
def tars(tmp_path) -> Path:
    for number in range(12):
        write_tar(
            tmp_path / ("a" if number < 6 else "b") / f"{number:05d}.tar", {"k.jpg": str(number), "k.txt": "A cup"}
        )
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a/{00001..00003}.tar", ["00001.tar", "00002.tar", "00003.tar"]),
        ("a/0000{1,4}.tar", ["00001.tar", "00004.tar"]),
        ("a/*[12].tar", ["00001.tar", "00002.tar"]),
        ("{a,b}/000*[59].tar", ["a/00005.tar", "b/00009.tar"]),
        ("*/0001?.tar", ["00010.tar", "00011.tar"]),
        ("a/00000.tar::{base}/b/{{00008..00009}}.tar", ["a/00000.tar", "b/00008.tar", "b/00009.tar"]),
    ],
)
def test_patterns_are_read_as_webdataset_reads_them(tars, pattern, names):
    path = tars / (pattern.format(base=tars) if "::" in pattern else pattern)
    assert is_tar_pattern(path)
    assert find_tars(path) == names
    for row in list_tars(path).to_pylist():
        number = int(row["id"].split("/")[-2])
        assert LocalPhotos(tar_root(path), 100).read(row["url"]) == str(number).encode()


def test_a_pattern_is_a_set_of_photos_too(tars):
    photos = open_photos(tars / "a" / "{00002..00003}.tar")
    assert (list(photos.names), photos.metadata.captions) == (["00002/k", "00003/k"], [["A cup"], ["A cup"]])
    assert photos.read(1) == b"3"


def test_a_list_of_more_numbers_than_a_name_may_have_letters_is_a_pattern(tars):
    pattern = tars / "a" / f"{{{','.join(f'{number:05d}' for number in [*range(6)] * 20)}}}.tar"
    assert len(pattern.name) > 255
    assert find_tars(pattern) == [f"{number:05d}.tar" for number in range(6)]


def test_a_tar_that_a_range_names_must_be_there(tars):
    with pytest.raises(PhotosError, match=r"1 of the 2 tars of .* are not there, the first is .*b/0000\[5-5\].tar"):
        find_tars(tars / "{a,b}/0000[5-5].tar")
    with pytest.raises(PhotosError, match=r"2 of the 4 tars of .* are not there, the first is .*00006.tar. Correct"):
        find_tars(tars / "a/{00004..00007}.tar")


@given(st.integers(0, 99), st.integers(0, 30), st.integers(1, 5))
def test_a_range_names_each_number_once_with_its_zeros(first, more, width):
    from clip_pipeline.sources.photos.formats.tar_paths import _alternatives

    names = list(_alternatives(f"x/{{{first:0{width}d}..{first + more}}}.tar"))
    assert names == [f"x/{number:0{width}d}.tar" for number in range(first, first + more + 1)]


def test_a_folder_whose_name_looks_like_a_pattern_is_a_folder(tmp_path):
    write_tar(tmp_path / "x{1}" / "0.TAR", {"k.jpg": "photo"})
    assert not is_tar_pattern(tmp_path / "x{1}")
    assert find_tars(tmp_path / "x{1}") == ["0.TAR"]
    (row,) = list_tars(tmp_path / "x{1}").to_pylist()
    assert (row["id"], LocalPhotos(tmp_path / "x{1}", 100).read(row["url"])) == ("0/k", b"photo")
    assert tar_path(tmp_path / "x{1}", "0.TAR").is_file()


def test_a_tar_by_another_name_is_asked_to_be_renamed(tmp_path):
    tar = write_tar(tmp_path / "0.tar", {"k.jpg": "photo"}).rename(tmp_path / "data.bin")
    with pytest.raises(PhotosError, match=r"data\.bin is no folder, and does not end in \.tar\."):
        find_tars(tar)


def test_a_folder_holds_tars_where_no_photo_lies_beside_them(tars):
    write_tar(tars / "c" / "0.TAR", {"k.jpg": "photo"})
    assert holds_tars(tars) and holds_tars(tars / "a") and holds_tars(tars / "c")
    (tars / "a" / "1.jpg").touch()
    (tars / "d").mkdir()
    assert not holds_tars(tars / "a") and not holds_tars(tars / "d")


@pytest.mark.parametrize("name", ["0.tar.gz", "0.tgz", "0.TAR.GZ", "0.tar.zst", "0.tar.bz2", "0.tbz2", "0.txz"])
def test_packed_tars_are_tars_and_one_beside_itself_unpacked_is_counted(tmp_path, name, caplog):
    (tmp_path / name).write_bytes(gzip.compress(b"anything"))
    assert find_tars(tmp_path) == find_tars(tmp_path / name) == [name]
    assert is_tar_name(name) and tar_stem(f"a.b/{name}") == "a.b/0" and without_tar_ending(name) == "0"
    write_tar(tmp_path / "1.tar", {"k.jpg": "photo"})
    assert find_tars(tmp_path) == [name, "1.tar"]
    write_tar(tmp_path / "0.tar", {"k.jpg": "photo"})
    with caplog.at_level(logging.WARNING):
        assert find_tars(tmp_path) == ["0.tar", "1.tar"] == find_tars(tmp_path / "[01].*")
    assert f'1 of "packed tar beside the same one, unpacked or packed otherwise", such as "{name}"' in caplog.text
    photos = open_photos(tmp_path, say=False)
    assert photos.passed_over.rows() == photos.metadata.left_out.rows() and photos.passed_over.rows()[0][1] == 1


def test_names_that_are_no_tars():
    assert not any(map(is_tar_name, ("a.gz", "tar.gz", "a.targz", "a.tar.7z", "a.tar\n", "x.tar/y")))
    assert tar_stem("shard-7.data") == "shard-7" and without_tar_ending("food-1.0") == "food-1.0"


def test_a_folder_that_says_how_many_tars_it_has_is_held_to_it(tmp_path, caplog):
    """CLIP_benchmark reads as many as nshards.txt says; a copy that lacks one was scored without it, without a word (2026-12-01)."""
    for number in range(3):
        write_tar(tmp_path / "test" / f"{number}.tar", {f"k{number}.jpg": "photo", f"k{number}.cls": "0"})
    said = tmp_path / "test" / "nshards.txt"
    for text in ("3\n", "many", "", "9" * 30):
        said.write_text(text)
        assert len(find_tars(tmp_path)) == len(find_tars(tmp_path / "test")) == 3
    said.write_text("2")
    assert find_tars(tmp_path) == ["test/0.tar", "test/1.tar"]
    photos = open_photos(tmp_path, say=False)
    assert photos.passed_over.rows() == [("tar beyond the number in nshards.txt", 1, "", "test/2.tar")]
    assert len(photos) == 2
    said.write_text("5")
    with pytest.raises(
        PhotosError, match=r"nshards.txt says that there are 5 tars, and 2 of them are not there, the first is 3\.tar"
    ):
        find_tars(tmp_path)
    (tmp_path / "test" / "2.tar").rename(tmp_path / "test" / "part-c.tar")
    assert len(find_tars(tmp_path)) == 3, "names that nobody numbered"
