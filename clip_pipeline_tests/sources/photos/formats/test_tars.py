from __future__ import annotations

import gzip
import io
import json
import tarfile
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from clip_pipeline.errors import PhotosError
from clip_pipeline.records import PHOTO_FIELDS
from clip_pipeline.sources.photos.formats.tar_paths import parse_tar_url
from clip_pipeline.sources.photos.formats.tars import TarPhotos
from clip_pipeline.sources.photos.local_photos import LocalPhotoError, LocalPhotos
from clip_pipeline_tests.made.opened_photos import list_tars


def write_tar(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            content = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def read(root, url):
    return LocalPhotos(root, 1_000_000).read(url)


@pytest.fixture
def tar(tmp_path):
    return write_tar(
        tmp_path / "00001.tar",
        {
            "b.jpg": b"photo b",
            "b.txt": "A dog\nTwo\n",
            "b.json": json.dumps({"caption": "A dog", "captions": ["Three"], "license": "CC0", "author": "Ann"}),
            "a.PNG": b"photo a",
            "a.json": "{broken",
            "c.txt": "no photo",
            "deep/d.e.webp": b"photo d.e",
            "deep/f.webp": b"photo f",
            "deep/f.json": json.dumps({"prompt": "A cat"}),
        },
    )


def test_a_tar_lists_its_photos_with_their_captions(tar):
    table = list_tars(tar)
    assert table.schema == pa.schema(PHOTO_FIELDS)
    assert [(row["id"], row["url"], row["captions"]) for row in table.to_pylist()] == [
        ("00001/a", "tar:00001.tar#a", []),
        ("00001/b", "tar:00001.tar#b", ["A dog", "Two", "Three"]),
        ("00001/deep/d", "tar:00001.tar#deep/d", []),
        ("00001/deep/f", "tar:00001.tar#deep/f", ["A cat"]),
    ]
    assert table["licence"].to_pylist() == [None, "CC0", None, None]
    assert table["attribution"].to_pylist() == [None, "Ann", None, None]


def test_tars_in_split_folders_give_splits_in_the_order_of_their_numbers(tmp_path):
    for name in ("train/10.tar", "train/9.tar", "val/0.tar", "more/0.tar", "7.tar"):
        write_tar(tmp_path / name, {"k.jpg": name})
    table = list_tars(tmp_path)
    assert table["id"].to_pylist() == ["7/k", "more/0/k", "train/9/k", "train/10/k", "val/0/k"]
    assert table["split"].to_pylist() == [None, None, "train", "train", "validation"]
    for url in table["url"].to_pylist():
        assert read(tmp_path, url) == parse_tar_url(url)[0].encode()


@pytest.mark.parametrize("prefix", ["", "./", "photos/", "./photos/"])
def test_the_fetcher_of_user_files_reads_every_listed_url(tmp_path, prefix):
    path = write_tar(
        tmp_path / "a#b.tar" if prefix else tmp_path / "a.tar", {f"{prefix}{n}.jpg": f"photo {n}" for n in range(3)}
    )
    for root in (path, tmp_path):
        rows = list_tars(root).to_pylist()
        assert [row["id"] for row in rows] == [f"{path.stem}/{prefix.removeprefix('./')}{n}" for n in range(3)]
        for number, row in enumerate(rows):
            assert read(root, row["url"]) == f"photo {number}".encode()


def test_many_threads_read_one_tar(tmp_path):
    write_tar(tmp_path / "0.tar", {f"{n:04}.jpg": f"photo {n}" for n in range(500)})
    with ThreadPoolExecutor(16) as pool:
        photos = list(pool.map(lambda n: read(tmp_path, f"tar:0.tar#{n:04}"), range(500)))
    assert photos == [f"photo {n}".encode() for n in range(500)]


def test_a_tar_that_is_written_again_is_read_again(tmp_path):
    write_tar(tmp_path / "0.tar", {"a.jpg": b"old"})
    assert read(tmp_path, "tar:0.tar#a") == b"old"
    write_tar(tmp_path / "0.tar", {"b.txt": b"x" * 20_000, "a.jpg": b"new"})
    assert read(tmp_path, "tar:0.tar#a") == b"new"


@pytest.mark.parametrize("name", ["none.tar", "../0.tar", "/etc/passwd"])
def test_nothing_outside_of_the_root_is_read(tmp_path, name):
    write_tar(tmp_path / "0.tar", {"a.jpg": b"secret"})
    (tmp_path / "in").mkdir()
    with pytest.raises(LocalPhotoError):
        read(tmp_path / "in", f"tar:{name}#a")


def test_a_missing_key_is_a_missing_file(tar):
    for key in ("none", "c"):
        with pytest.raises(LocalPhotoError, match=f"00001.tar has no photo with the key {key}"):
            read(tar, f"tar:00001.tar#{key}")
    with pytest.raises(LocalPhotoError):
        read(tar, "tar:other.tar#a")


@pytest.mark.parametrize("keep", [300, 512 + 700, 512 + 2048, 512 + 2048 + 100])
def test_a_cut_tar_is_refused(tmp_path, keep):
    whole = write_tar(tmp_path / "0.tar", {"a.jpg": b"x" * 2048, "b.jpg": b"y" * 2048}).read_bytes()
    (tmp_path / "0.tar").write_bytes(whole[:keep])
    if keep == 512 + 2048:  # between two members nothing tells that more was to come
        assert len(list_tars(tmp_path)) == 1
        return
    with pytest.raises(PhotosError, match=r"is no whole tar|is cut"):
        list_tars(tmp_path)


@pytest.mark.parametrize("member", range(1, 4))
def test_a_damaged_header_is_not_taken_for_the_end(tmp_path, member):
    path = write_tar(tmp_path / "0.tar", {f"{n}.jpg": b"x" * 600 for n in range(4)})
    content = bytearray(path.read_bytes())
    content[member * 3 * 512 + 150] ^= 1  # its checksum
    path.write_bytes(content)
    with pytest.raises(PhotosError, match=rf"is damaged: at byte {member * 3 * 512:,} a header was expected"):
        list_tars(tmp_path)


def test_what_is_no_tar_says_so(tmp_path):
    with pytest.raises(PhotosError, match="There is no"):
        list_tars(tmp_path / "none")
    with pytest.raises(PhotosError, match="holds no .tar files"):
        list_tars(tmp_path)
    write_tar(tmp_path / "0.tar", {"a.txt": "words"})
    with pytest.raises(PhotosError, match="hold no photos"):
        list_tars(tmp_path)
    (tmp_path / "0.tar").write_bytes(b"<html>not found</html>")
    with pytest.raises(PhotosError, match="is no whole tar"):
        list_tars(tmp_path)
    (tmp_path / "0.tar").write_bytes(gzip.compress(b"anything"))
    with pytest.raises(PhotosError, match="is no whole tar"):
        list_tars(tmp_path)


@pytest.mark.parametrize("url", ["file:a.jpg", "tar:a.tar", "tar:a.tar#", "tar:a#b"])
def test_other_urls_are_no_tar_urls(url):
    with pytest.raises(ValueError, match="is no tar:"):
        parse_tar_url(url)


def test_a_real_webdataset_shard_of_cc12m(shared_data):
    folder = shared_data("cc12m_shard")
    table = list_tars(folder)
    assert len(table) == 32
    with tarfile.open(folder / "cc12m-train-0000.tar") as tar:
        for row in table.to_pylist():
            _, key = parse_tar_url(row["url"])
            assert read(folder, row["url"]) == tar.extractfile(f"{key}.jpg").read()
            assert row["captions"][0] == tar.extractfile(f"{key}.txt").read().decode().strip()


def test_keywords_of_the_json_are_words_and_what_cannot_be_written_is_replaced(tmp_path):
    told = json.dumps(
        {"keywords": ["New York", "cat"], "tags": "cat; dog", "caption": "a \ud83d cat\0", "author": "\udcffA"}
    )
    write_tar(tmp_path / "0.tar", {"a.jpg": b"x", "a.json": told, "b.jpg": b"y"})
    rows = list_tars(tmp_path).to_pylist()
    assert [row["words"] for row in rows] == [["New York", "cat", "dog"], []]
    assert (rows[0]["captions"], rows[0]["attribution"]) == (["a \ufffd cat "], "\ufffdA")


@pytest.mark.slow
def test_going_through_many_tars_takes_the_memory_of_few(tmp_path):
    def peak(tars: int) -> int:
        for number in range(tars):
            write_tar(tmp_path / f"{tars}" / f"{number}.tar", {f"{n:06d}.jpg": b"x" for n in range(500)})
        tracemalloc.start()
        photos = TarPhotos(tmp_path / f"{tars}", samples_kept=1000)
        assert sum(len(photo.name) > 0 for photo in photos) == len(photos) == 500 * tars
        measured = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return measured

    assert peak(24) < 1.3 * peak(6)
