from __future__ import annotations

import pytest

from clip_pipeline.sources.photos.formats.folder_tar import files_below_root, is_folder
from clip_pipeline.sources.photos.formats.tar_keys import by_sample
from clip_pipeline.sources.photos.formats.tar_members import TarPlace
from clip_pipeline.sources.photos.open import open_photos
from clip_pipeline_tests.evaluation.datasets.forms import tar_bytes, tar_of, write_photos


def places(*names):
    return [(name, TarPlace(number, 1)) for number, name in enumerate(names)]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["c/train/cat/1.jpg", "c/test/dog/1.jpg"], ["train/cat/1.jpg", "test/dog/1.jpg"]),
        (["./c/cat/1.jpg", "./c/dog/1.jpg"], ["cat/1.jpg", "dog/1.jpg"]),
        (["train/cat/1.jpg", "train/dog/1.jpg"], ["train/cat/1.jpg", "train/dog/1.jpg"]),
        (["c/cat/1.jpg", "c/cat/2.jpg"], ["cat/1.jpg", "cat/2.jpg"]),
        (["f/images/1.jpg", "f/captions.csv"], ["images/1.jpg", "captions.csv"]),
        (["c/.hidden/1.jpg", "c/__MACOSX/2.jpg", "c/cat/3.jpg", "c/dog/4.jpg"], ["cat/3.jpg", "dog/4.jpg"]),
        (["../cat/1.jpg", "/etc/2.jpg", "dog/3.jpg", "cat/4.jpg"], ["dog/3.jpg", "cat/4.jpg"]),
    ],
)
def test_the_folder_that_all_share_is_the_root(names, expected):
    assert list(files_below_root(places(*names))) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["c/cat/1.jpg", "c/dog/1.jpg"], True),
        (["a.jpg", "b.jpg"], False),
        (["a.jpg", "captions.csv"], True),
        (["0/a.jpg", "0/a.txt", "1/b.jpg"], False),
        (["0/a.jpg", "0/a.cls"], False),
        (["a.txt"], False),
    ],
)
def test_samples_of_webdataset_are_no_folder(names, expected):
    members = places(*names)
    assert is_folder(files_below_root(members), by_sample(members)) is expected


def test_a_tar_of_class_folders_is_the_set_that_the_folder_is(tmp_path):
    folder = write_photos(tmp_path / "pets", ["train/cat/1.jpg", "train/dog/1.jpg", "val/cat/2.jpg"])
    unpacked, packed = open_photos(folder), open_photos(tar_of(folder, tmp_path / "pets.tar"))
    assert (packed.names, packed.metadata) == (unpacked.names, unpacked.metadata)
    assert packed.metadata.labels == [0, 1, 0]
    assert [packed.read(row) for row in range(3)] == [unpacked.read(row) for row in range(3)]


def test_captions_in_a_tar_are_those_of_its_files(tmp_path):
    members = {
        "f/images/a.jpg": b"a",
        "f/images/b.jpg": b"b",
        "f/captions.csv": b"file,caption\na.jpg,A\na.jpg,A\nb.jpg,B\n",
    }
    (tmp_path / "f.tar").write_bytes(tar_bytes(members))
    photos = open_photos(tmp_path / "f.tar")
    assert (photos.names, photos.read(1)) == (["images/a", "images/b"], b"b")
    assert photos.metadata.captions == [["A", "A"], ["B"]]


def test_files_that_are_no_photos_are_told(tmp_path, caplog):
    folder = write_photos(tmp_path, ["cat/1.jpg", "dog/1.jpg"])
    (folder / "cat" / "notes.docx").write_bytes(b"x")
    (folder / "cat" / "1.json").write_bytes(b"{}")
    assert len(open_photos(folder)) == 2
    assert '1 of "file that is no photo", such as "cat/notes.docx"' in caplog.text
