"""Photos of every kind behind one door: the same names, bytes and promises whatever they lie in."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import CaptionsError, PhotosError
from clip_pipeline.records import PHOTO_FIELDS
from clip_pipeline.sources.photos.local_photos import LocalPhotos
from clip_pipeline.sources.photos.open import Columns, open_photos
from clip_pipeline_tests.evaluation.datasets.forms import tar_of, write_cifar10, write_idx
from clip_pipeline_tests.made.opened_photos import read_all
from clip_pipeline_tests.sources.photos.formats.test_tars import write_tar


def files(folder, **contents):
    for name, content in contents.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def folder(place):
    return files(place, a_dot_jpg=b"1", sub__b_dot_png=b"2", sub__a_dot_jpg=b"3", note_dot_md=b"x")


def tars(place):
    for number in range(5):
        members = {f"{key}.{ending}": f"{number} {key}" for key in "bac" for ending in ("jpg", "txt")}
        write_tar(place / f"{number:05d}.tar", members | {"d.txt": "no photo"})
    return place


def samples(place):
    return write_tar(place / "x.tar", {"b.jpg": b"1", "b.txt": "A cup", "a.png": b"2"})


def folder_in_a_tar(place):
    return tar_of(files(place / "pets", cat__a_dot_jpg=b"1", dog__b_dot_jpg=b"2"), place / "pets.tar")


def photo(place):
    return files(place, one_dot_JPG=b"1") / "one.JPG"


def array(place):
    np.save(place / "x.npy", np.random.default_rng(0).integers(0, 256, (5, 4, 6), np.uint8))
    return place / "x.npy"


def table(place):
    rows = pa.table({"image": [f"{n}".encode() for n in range(50)], "id": [f"p{n}" for n in range(50)]})
    pq.write_table(rows, place / "x.parquet", row_group_size=7)
    return place / "x.parquet"


def tables(place):
    for name in ("a", "b"):
        (place / name).mkdir()
        pq.write_table(pa.table({"image": [name.encode()] * 3}), place / name / "0.parquet")
    return place


def mnist(place):
    write_idx(place, {"train": 4, "test": 3})
    return place


def cifar(place):
    write_cifar10(place / "cifar-10-batches-py", 2)
    return place


KINDS = (folder, tars, samples, folder_in_a_tar, photo, array, table, tables, mnist, cifar)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_keeps_the_promises_of_photos(tmp_path, kind):
    path = kind(tmp_path)
    photos = open_photos(path)
    names = list(photos.names)
    assert len(photos) == len(names) == len(set(names)) > 0
    read = {name: np.asarray(content).tolist() for name, content in read_all(photos).items()}
    assert list(read) == names, "in the order of the names"
    assert {name: np.asarray(content).tolist() for name, content in read_all(photos).items()} == read, "again"
    rows = [*range(len(photos))][::-1]
    with ThreadPoolExecutor(8) as pool:
        by_row = list(pool.map(photos.read, rows))
    assert [np.asarray(one).tolist() for one in by_row] == [read[names[row]] for row in rows]
    known = photos.metadata
    for column in (known.labels, known.captions, known.splits):
        assert column is None or len(column) == len(photos)
    assert list(photos.names) == names and photos.names[-1] == names[-1], "after the metadata as before"
    assert [np.asarray(photos.read(row)).tolist() for row in rows] == [read[names[row]] for row in rows]
    assert open_photos(path).identity == photos.identity


@pytest.mark.parametrize("kind", [folder, tars, samples])
def test_photos_with_files_are_listed_with_urls_that_can_be_read(tmp_path, kind):
    path = kind(tmp_path)
    photos = open_photos(path)
    listed = pa.concat_tables(photos.table(LeftOut()))
    assert listed.schema == pa.schema(PHOTO_FIELDS)
    assert listed["id"].to_pylist() == list(photos.names)
    local = LocalPhotos(path, 1000)
    assert [local.read(url) for url in listed["url"].to_pylist()] == list(read_all(photos).values())


@pytest.mark.parametrize("kind", [array, table, mnist])
def test_photos_without_files_of_their_own_are_not_listed(tmp_path, kind):
    with pytest.raises(PhotosError, match="have no files of their own, so they cannot be listed"):
        list(open_photos(kind(tmp_path)).table(LeftOut()))


def test_a_place_is_where_a_person_finds_the_photo(tmp_path):
    assert next(iter(open_photos(folder(tmp_path)))).place == str(tmp_path / "a.jpg")
    path = samples(tmp_path / "tars")
    assert next(iter(open_photos(path.parent))).place == f"{path}#a"


@pytest.mark.parametrize("pattern", [False, True])
def test_tars_are_read_one_after_the_other_by_a_folder_or_a_pattern(tmp_path, pattern):
    write_tar(tmp_path / "00000.tar", {"b.jpg": b"1", "b.txt": b"t", "a.png": b"2", "c.txt": b"no photo"})
    write_tar(tmp_path / "00001.tar", {"a.jpg": b"3"})
    photos = open_photos(tmp_path / "{00000..00001}.tar" if pattern else tmp_path)
    assert len(photos) == 3
    assert read_all(photos) == {"00000/a": b"2", "00000/b": b"1", "00001/a": b"3"}


def test_one_photo_is_a_set_and_nothing_is_known_of_it(tmp_path):
    files(tmp_path, a_dot_JPG=b"1", captions_dot_csv=b"file,caption\na.JPG,A cup\n")
    photos = open_photos(tmp_path / "a.JPG")
    assert (read_all(photos), photos.metadata.captions) == ({"a": b"1"}, None)


def test_the_identity_follows_the_files(tmp_path):
    files(tmp_path, a_dot_jpg=b"1", b_dot_jpg=b"2")
    before = open_photos(tmp_path).identity
    assert open_photos(tmp_path).identity == before
    os.utime(tmp_path / "a.jpg", ns=(1, 1))
    assert open_photos(tmp_path).identity != before


def test_what_is_no_photo_is_told(tmp_path):
    files(tmp_path, a_dot_pdf=b"1", notes_dot_csv=b"2")
    with pytest.raises(PhotosError, match=r"a.pdf is no photo, tar, array or table of photos. Files that end in .jpg"):
        open_photos(tmp_path / "a.pdf")
    with pytest.raises(PhotosError, match="holds no photos"):
        open_photos(tmp_path)
    with pytest.raises(PhotosError, match=r"There is no .*gone"):
        open_photos(tmp_path / "gone")
    (tmp_path / "0.tar").write_bytes(b"no tar")
    with pytest.raises(PhotosError, match="is no whole tar"):
        open_photos(tmp_path / "0.tar")


def test_keys_for_what_is_no_array_are_told(tmp_path):
    files(tmp_path, a_dot_jpg=b"1")
    with pytest.raises(PhotosError, match="A file of keys goes with an array"):
        open_photos(tmp_path, columns=Columns(keys="keys.txt"))


def test_a_broken_caption_file_is_no_hindrance_until_captions_are_wanted(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("a.jpg", "b/c.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "captions.csv").write_bytes(b"file,caption\na.jpg,\xff\xfe\x00")
    photos = open_photos(tmp_path)
    assert (photos.names, photos.read(1)) == (["a", "b/c"], b"b/c.jpg")
    with pytest.raises(CaptionsError):
        photos.metadata  # noqa: B018


def test_a_photo_that_has_gone_is_an_os_error(tmp_path):
    photos = open_photos(folder(tmp_path))
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(OSError, match="No such file"):
        photos.read(0)


def test_a_real_webdataset_tar_is_opened(shared_data):
    photos = open_photos(shared_data("cc12m_shard") / "cc12m-train-0000.tar")
    assert len(photos) == 32 and all(len(texts) == 1 for texts in photos.metadata.captions)
    assert photos.read(0)[:2] == b"\xff\xd8"
