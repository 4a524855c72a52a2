"""Tars read by their headers: samples in order, and a sentence for what is cut or damaged."""

from __future__ import annotations

import tarfile

import pytest

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.formats.tar_index import read_photos, read_shard, read_tar_index
from clip_pipeline.sources.photos.formats.tar_keys import photo_ending
from clip_pipeline_tests.sources.photos.formats.test_tars import write_tar

SAMPLES = {
    "000000000.jpg": b"\xff\xd8 one",
    "000000000.json": b'{"id": "a"}',
    "000000000.txt": b"one apple",
    "000000001.jpg": b"\xff\xd8 two",
    "000000001.txt": b"two apples",
    "000000002.jpg": b"",
    "000000002.json": b"{}",
}


def test_a_tar_of_gnu_tar_with_folders_and_leading_dots_is_read(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        folder = tarfile.TarInfo("./")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        tar.addfile(tarfile.TarInfo("./0001.JPG"))
        tar.addfile(tarfile.TarInfo("./0001.seg.png"))
    assert list(read_shard(tmp_path / "a.tar")) == [("0001", {"jpg": b"", "seg.png": b""})]


def test_a_tar_that_is_cut_anywhere_raises_a_sentence(tmp_path):
    path = tmp_path / "a.tar"
    write_tar(path, SAMPLES)
    content = path.read_bytes()
    end = len(content.rstrip(b"\0")) // 512 * 512 + 512  # where the zeros that end a tar begin
    for length in [0, 100, 511, *range(512, end, 300), *range(512, end + 1, 512), end + 300]:
        path.write_bytes(content[:length])
        with pytest.raises(PhotosError, match="is no whole tar .* Make or download it again"):
            list(read_shard(path))


def test_a_tar_with_a_damaged_header_in_its_middle_raises_a_sentence(tmp_path):
    path = tmp_path / "a.tar"
    write_tar(path, SAMPLES)
    content = bytearray(path.read_bytes())
    content[3 * 1024 + 10] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(PhotosError, match="no whole tar"):
        list(read_shard(path))


def test_what_is_no_tar_raises_a_sentence(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"<html>sorry</html>" * 100)
    with pytest.raises(PhotosError, match="no whole tar"):
        list(read_shard(tmp_path / "a.tar"))


def test_members_of_a_sample_are_where_the_index_says(tmp_path):
    path = write_tar(tmp_path / "a.tar", SAMPLES)
    content = path.read_bytes()
    index = read_tar_index(path, ended=True)
    found = {f"{key}.{ending}": place for key, members in index.items() for ending, place in members.items()}
    assert {name: content[offset : offset + size] for name, (offset, size) in found.items()} == SAMPLES


def test_a_tar_without_its_end_is_refused_where_an_end_is_asked_for(tmp_path, caplog):
    path = write_tar(tmp_path / "a.tar", SAMPLES)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole.rstrip(b"\0")) // 512 * 512 + 512])
    assert list(read_tar_index(path)) == ["000000000", "000000001", "000000002"]
    assert "may have been cut between two samples" in caplog.text
    with pytest.raises(PhotosError, match="is no whole tar .it breaks off at byte"):
        read_tar_index(path, ended=True)


def test_photos_are_found_by_their_keys_whatever_their_kind(tmp_path):
    path = write_tar(tmp_path / "a.tar", {"1.jpg": b"one", "1.txt": b"x", "2.png": b"two", "3.webp": b"three"})
    assert list(read_photos([path], {"1": "a", "3": "c"})) == [("a", b"one"), ("c", b"three")]
    with pytest.raises(PhotosError, match="A sample holds no photo, only txt, json. Expected one of jpg"):
        photo_ending(["txt", "json"])
