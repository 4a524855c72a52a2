"""Packed tars are read as the tars that they unpack to: once, bounded, and never half."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.formats import unpacked_tars
from clip_pipeline.sources.photos.formats.unpacked_tars import plain_tar
from clip_pipeline.sources.photos.local_photos import LocalPhotos
from clip_pipeline.sources.photos.open import open_photos
from clip_pipeline.storage.cache import user_cache
from clip_pipeline_tests.made.opened_photos import list_tars
from clip_pipeline_tests.made.tiny_model import jpeg
from clip_pipeline_tests.sources.photos.formats.test_tars import write_tar

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "0.tar.gz": gzip.compress, "0.tgz": gzip.compress, "0.tar": gzip.compress, "0.tar.bz2": bz2.compress,
    "0.tar.xz": lzma.compress, "0.tar.zst": lambda content: pa.Codec("zstd").compress(content, asbytes=True),
    "0.tbz2": lambda content: bz2.compress(content[:700]) + bz2.compress(content[700:]),
}  # fmt: skip
RED = jpeg((200, 0, 0))


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CLIP_PIPELINE_CACHE", str(tmp_path / "cache"))


def kept(_: object = None) -> list[Path]:
    return sorted((user_cache() / ".cache" / "unpacked_tars").glob("*/*/unpacked.tar"))


@pytest.mark.parametrize("name", PACKED)
def test_samples_of_a_packed_tar_are_those_of_the_tar(name, tmp_path, monkeypatch):
    write_tar(
        tmp_path / "plain" / "0.tar",
        {"a.jpg": RED.decode("latin-1"), "a.txt": "A cup", "a.cls": "1", "b.png": "x", "b.cls": "0"},
    )
    (tmp_path / "in").mkdir()
    packed = tmp_path / "in" / name
    packed.write_bytes(PACKED[name]((tmp_path / "plain" / "0.tar").read_bytes()))
    for path in (packed, packed.parent):
        found, expected = open_photos(path), open_photos(tmp_path / "plain" / "0.tar")
        assert list(found.names) == list(expected.names) == ["0/a", "0/b"]
        assert [found.read(row) for row in (0, 1)] == [expected.read(row) for row in (0, 1)]
        assert found.metadata == expected.metadata and found.metadata.labels == [1, 0]
        assert [photo.read() for photo in found] == [found.read(0), found.read(1)]
        assert list(open_photos(path).names) == ["0/a", "0/b"], "by the headers alone"
    rows = list_tars(packed).to_pylist()
    assert [row["captions"] for row in rows] == [["A cup"], []]
    assert rows[0]["url"] == f"tar:{name}#a"
    assert LocalPhotos(packed, 10_000).read(rows[0]["url"]) == found.read(0)
    assert LocalPhotos(packed.parent, 10_000).read(rows[0]["url"]) == found.read(0)
    assert len(kept()) == 1, "unpacked once"
    monkeypatch.setattr(unpacked_tars, "_unpack", lambda *_: pytest.fail("unpacked again"))
    unpacked_tars._plain.cache_clear()  # as in another process
    assert open_photos(packed).read(0) == expected.read(0)


def test_a_packed_tar_of_class_folders_is_a_labelled_dataset_and_not_its_members_alone(tmp_path):
    from clip_pipeline.evaluation.datasets import open_dataset

    files = {
        f"pets/{split}/{name}/{number}.jpg": "x"
        for split in ("train", "test")
        for name in ("cat", "dog")
        for number in (0, 1)
    }
    write_tar(tmp_path / "pets.tar", files)
    (tmp_path / "pets.tar.gz").write_bytes(gzip.compress((tmp_path / "pets.tar").read_bytes()))
    expected = open_dataset(tmp_path / "pets.tar")
    found = open_dataset(tmp_path / "pets.tar.gz")
    assert found.name == expected.name == "pets"
    assert (found.ids, found.splits, list(found.labels), found.class_names) == (
        expected.ids,
        expected.splits,
        list(expected.labels),
        ("cat", "dog"),
    )


def test_an_archive_that_lies_beside_what_it_was_unpacked_to_is_not_read(tmp_path):
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    (tmp_path / "pets" / "cat" / "1.jpg").write_bytes(RED)
    write_tar(tmp_path / "pets.tar", {"cat/1.jpg": "x"})
    (tmp_path / "pets.tar.gz").write_bytes(gzip.compress((tmp_path / "pets.tar").read_bytes()))
    (tmp_path / "pets.tar").unlink()
    assert list(open_photos(tmp_path).names) == ["pets/cat/1"]
    assert not kept()


@pytest.mark.parametrize("name", ["0.tar.gz", "0.tar.bz2", "0.tar.xz", "0.tar.zst"])
@pytest.mark.parametrize("harm", ["cut", "changed", "no tar"])
def test_a_damaged_one_is_a_sentence_and_leaves_nothing_in_the_cache(name, harm, tmp_path):
    write_tar(tmp_path / "t" / "0.tar", {f"{number}.jpg": os.urandom(3000).decode("latin-1") for number in range(9)})
    packed = bytearray(PACKED[name]((tmp_path / "t" / "0.tar").read_bytes()))
    if harm == "cut":
        packed = packed[: len(packed) // 2]
    elif harm == "changed":
        place = (
            4 if name.endswith("zst") else len(packed) // 2
        )  # Arrow's zstd writes no checksum: of the photos all bytes are good
        packed[place : place + 40] = bytes(40)
    else:
        packed = PACKED[name](b"no tar at all " * 100)
    (tmp_path / name).write_bytes(packed)
    with pytest.raises(PhotosError, match=rf"{name} is (cut|damaged|no whole tar)"):
        len(open_photos(tmp_path / name))
    assert bool(kept()) == (harm == "no tar")


def test_what_unpacks_without_an_end_is_refused(tmp_path):
    with gzip.open(tmp_path / "0.tar.gz", "wb", 9) as stream:
        for _ in range(200):
            stream.write(bytes(1_000_000))
    with pytest.raises(PhotosError, match=r"0\.tar\.gz unpacks to more than 6\d MB"):
        open_photos(tmp_path / "0.tar.gz")
    assert not kept()


def test_a_disk_without_room_is_said_before_it_is_full(tmp_path, monkeypatch):
    write_tar(tmp_path / "t.tar", {"a.jpg": "x"})
    (tmp_path / "0.tar.gz").write_bytes(gzip.compress((tmp_path / "t.tar").read_bytes()))
    monkeypatch.setattr(unpacked_tars, "FREE_BYTES", shutil.disk_usage(tmp_path).total)
    with pytest.raises(PhotosError, match=r"whose disk has [\d,]+ MB left.*Set CLIP_PIPELINE_CACHE to"):
        open_photos(tmp_path / "0.tar.gz")
    assert not kept()


def test_another_tar_at_the_place_takes_its_place_and_what_nobody_opened_for_a_week_goes(tmp_path):
    def written(name: str, text: str) -> Path:
        write_tar(tmp_path / "t.tar", {"a.jpg": text, "a.cls": "0"})
        (tmp_path / name).write_bytes(gzip.compress((tmp_path / "t.tar").read_bytes()))
        return tmp_path / name

    first = open_photos(written("0.tar.gz", "old"))
    assert first.read(0) == b"old"
    second = written("0.tar.gz", "newer")
    assert open_photos(second).read(0) == b"newer" and len(kept()) == 1
    long_ago = time.time() - unpacked_tars.SECONDS_KEPT - 60
    os.utime(kept()[0].parent, (long_ago, long_ago))
    assert open_photos(written("1.tar.gz", "one")).read(0) == b"one"
    assert len(kept()) == 1
    assert plain_tar(tmp_path / "t.tar") == tmp_path / "t.tar"
