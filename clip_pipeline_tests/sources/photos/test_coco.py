"""COCO's captions and Karpathy's splits: from JSON to photos with captions, splits and licences."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clip_pipeline.display.left_out import LeftOut
from clip_pipeline.errors import CaptionsError
from clip_pipeline.sources.photos.caption_files import Captioned, read_caption_file
from clip_pipeline.sources.photos.local_photos import LocalPhotoError, LocalPhotos
from clip_pipeline.sources.tables.values import EMPTY
from clip_pipeline_tests.made.opened_photos import list_folder
from clip_pipeline_tests.sources.photos.formats.test_folder import make


def coco(split: str, numbers: range, captions: int = 5) -> dict:
    images = [
        {
            "license": 5,
            "file_name": f"COCO_{split}_{n:012d}.jpg",
            "coco_url": f"http://c/{n}",
            "height": 9,
            "width": 12,
            "id": n,
        }
        for n in numbers
    ]
    annotations = [
        {"image_id": n, "id": 10 * n + k, "caption": f"Photo {n}, told {k}.\n"}
        for k in range(captions)
        for n in numbers
    ]
    licences = [{"url": "http://l/5", "id": 5, "name": "Attribution License"}]
    return {"info": {"year": 2014}, "images": images, "licenses": licences, "annotations": annotations}


@pytest.fixture
def release(tmp_path) -> Path:
    """Two halves of a release, as unpacked: photos in train2014 and val2014, captions in annotations."""
    (tmp_path / "annotations").mkdir()
    for split, numbers in (("train2014", range(4)), ("val2014", range(100, 102))):
        make(tmp_path / split, *(f"COCO_{split}_{n:012d}.jpg" for n in numbers))
        (tmp_path / "annotations" / f"captions_{split}.json").write_text(json.dumps(coco(split, numbers)))
    return tmp_path


def rows_of(folder: Path, *given: str) -> dict[str, dict]:
    return {row["id"]: row for row in list_folder(folder, *given).to_pylist()}


def test_a_release_is_found_and_read_with_its_splits_and_licences(release):
    rows = rows_of(release)
    assert len(rows) == 6
    row = rows["train2014/COCO_train2014_000000000003"]
    assert row["captions"] == [f"Photo 3, told {k}." for k in range(5)]
    assert (row["split"], row["licence"], row["origin"]) == ("train", "Attribution License", "http://c/3")
    assert (row["width"], row["height"]) == (12, 9)
    assert rows["val2014/COCO_val2014_000000000101"]["split"] == "validation"


def test_files_that_are_named_are_read_in_place_of_those_found(release):
    train = str(release / "annotations" / "captions_train2014.json")
    rows = rows_of(release / "train2014", train)
    assert [(len(row["captions"]), row["split"]) for row in rows.values()] == [(5, None)] * 4  # one file is no split
    rows = rows_of(release, f"{train}, annotations/captions_val2014.json", "none")
    assert {row["split"] for row in rows.values()} == {None}


def test_karpathys_splits_win_over_the_names_of_files(release):
    images = [
        {
            "filepath": "val2014",
            "filename": f"COCO_val2014_{n:012d}.jpg",
            "split": split,
            "sentences": [{"raw": " A cup "}],
        }
        for n, split in ((100, "test"), (101, "restval"))
    ]
    (release / "annotations" / "dataset_coco.json").write_text(json.dumps({"images": images, "dataset": "coco"}))
    rows = rows_of(release)
    assert rows["val2014/COCO_val2014_000000000100"]["split"] == "test"
    assert rows["val2014/COCO_val2014_000000000101"]["split"] == "train"
    assert rows["val2014/COCO_val2014_000000000101"]["captions"][-1] == "A cup"
    assert rows["train2014/COCO_train2014_000000000000"]["split"] == "train"


def test_of_two_folders_with_the_same_names_each_file_means_its_own(tmp_path):
    for split in ("train2017", "val2017"):
        make(tmp_path / split, "000000000001.jpg")
        told = {
            "images": [{"id": 1, "file_name": "000000000001.jpg"}],
            "annotations": [{"image_id": 1, "caption": split}],
        }
        (tmp_path / f"captions_{split}.json").write_text(json.dumps(told))
    rows = rows_of(tmp_path)
    assert {name: (row["captions"], row["split"]) for name, row in rows.items()} == {
        "train2017/000000000001": (["train2017"], "train"),
        "val2017/000000000001": (["val2017"], "validation"),
    }


@pytest.mark.parametrize("kind", [float, str])
def test_ids_may_be_written_as_text_or_as_pandas_writes_them(tmp_path, kind):
    make(tmp_path, "a.jpg", "b.jpg")
    told = {
        "images": [{"id": kind(n), "file_name": name} for n, name in enumerate(["a.jpg", "b.jpg"])],
        "annotations": [{"image_id": n, "caption": f"Photo {n}"} for n in range(2)],
    }
    (tmp_path / "captions.json").write_text(json.dumps(told))
    assert {name: row["captions"] for name, row in rows_of(tmp_path).items()} == {"a": ["Photo 0"], "b": ["Photo 1"]}


@pytest.mark.parametrize(
    ("ids", "message"), [((1, 1), "b.jpg has the id 1, which a.jpg has too"), ((1, None), "b.jpg has no id")]
)
def test_captions_of_two_photos_are_never_mixed_up(tmp_path, ids, message):
    make(tmp_path, "a.jpg", "b.jpg")
    told = {
        "images": [{"id": one, "file_name": name} for one, name in zip(ids, ["a.jpg", "b.jpg"], strict=True)],
        "annotations": [{"image_id": one, "caption": f"Photo {n}"} for n, one in enumerate(ids)],
    }
    (tmp_path / "captions.json").write_text(json.dumps(told))
    with pytest.raises(CaptionsError, match=message):
        list_folder(tmp_path)


def test_names_that_no_file_can_have_are_rows_of_missing_files(tmp_path):
    make(tmp_path, "a.jpg")
    told = {
        "images": [{"id": n, "file_name": name} for n, name in enumerate(["a.jpg", "\ud800.jpg", "b\0.jpg"])],
        "annotations": [{"image_id": n, "caption": "A cup"} for n in range(3)],
    }
    (tmp_path / "captions.json").write_text(json.dumps(told))
    assert set(rows_of(tmp_path)) == {"a", "\ufffd", "b "}


def test_photos_that_are_missing_or_lie_outside_are_rows_that_nobody_can_read(tmp_path):
    make(tmp_path / "in", "a.jpg")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    names = ["a.jpg", "gone.jpg", "../secret.jpg", str(tmp_path / "secret.jpg"), "x/../../secret.jpg"]
    told = {
        "images": [{"id": n, "file_name": name} for n, name in enumerate(names)],
        "annotations": [{"image_id": n, "caption": f"caption {n}"} for n in range(len(names))],
    }
    file = tmp_path / "captions.json"
    file.write_text(json.dumps(told))
    counts = LeftOut()
    table = list_folder(tmp_path / "in", str(file), counts=counts)
    assert counts["captioned photo that is not there"] == len(table) - 1 == 3  # two ways to write one path
    files = LocalPhotos(tmp_path / "in", 1000)
    reasons = []
    for url in table["url"].to_pylist():
        if url != "file:a.jpg":
            with pytest.raises(LocalPhotoError) as refused:
                files.read(url)
            assert refused.value.status == "missing_file"
            reasons.append(str(refused.value))
    assert sum("lies outside of" in reason for reason in reasons) == 2
    assert sum("There is no file gone.jpg" in reason for reason in reasons) == 1


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_whatever_the_order_of_images_and_annotations_each_caption_comes_to_its_image(tmp_path, data):
    ids = data.draw(st.lists(st.integers() | st.text(max_size=3), unique=True, min_size=1, max_size=6))
    pairs = data.draw(
        st.lists(st.tuples(st.sampled_from(ids), st.from_regex(r"[a-zé☃]{1,9}", fullmatch=True)), min_size=1)
    )
    pairs = [(one, text) for one, text in pairs if text not in EMPTY] or [(ids[0], "cup")]
    told = {
        "images": [{"id": one, "file_name": f"{n}.jpg"} for n, one in enumerate(ids)],
        "annotations": [{"image_id": one, "caption": text} for one, text in pairs],
        "licenses": [],
    }
    order = data.draw(st.permutations(sorted(told)))
    file = tmp_path / "captions.json"
    file.write_text(json.dumps({name: told[name] for name in order}, ensure_ascii=data.draw(st.booleans())))
    expected = [Captioned(f"{n}.jpg", [text for one, text in pairs if one == key]) for n, key in enumerate(ids)]
    assert list(read_caption_file(file)) == expected


IMAGE = {"id": 1, "file_name": "a.jpg"}


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"images": [IMAGE], "annotations": [{"image_id": 1, "bbox": [0]}]}, "none of its annotations has a caption"),
        ({"images": [IMAGE]}, "none of its annotations has a caption"),
        ({"images": [], "annotations": []}, '"images" are missing or empty'),
        ({"annotations": [{"image_id": 1, "caption": "A"}]}, '"images" are missing or empty'),
        ({"images": [{"id": 1, "name": "a.jpg"}], "annotations": []}, "an image has no file_name, only id, name"),
        ({"images": [IMAGE, 7], "annotations": []}, "an image is a number, an object was expected"),
        ({"data": {"a": 1}}, "JSON of an unknown form.*what COCO publishes"),
        ([["a.jpg", "A"]], "JSON of an unknown form"),
        ("a text", "JSON of an unknown form"),
    ],
)
def test_json_that_is_no_list_of_captions_says_so(tmp_path, told, message):
    make(tmp_path, "a.jpg")
    (tmp_path / "c.json").write_text(json.dumps(told))
    with pytest.raises(CaptionsError, match=message):
        list_folder(tmp_path, "c.json")


def test_json_that_is_cut_says_where(release):
    file = release / "annotations" / "captions_val2014.json"
    file.write_text(file.read_text()[:-40])
    with pytest.raises(CaptionsError, match=r"captions_val2014.json is no JSON \(.* at character [\d,]+\)"):
        list_folder(release)


def test_captions_of_unknown_images_and_empty_ones_are_left_out(tmp_path):
    make(tmp_path, "a.jpg")
    told = {"images": [IMAGE], "annotations": [{"image_id": 9, "caption": "Whose?"}, {"image_id": 1, "caption": " "}]}
    (tmp_path / "captions.json").write_text(json.dumps(told))
    counts = LeftOut()
    table = list_folder(tmp_path, counts=counts)
    assert table["captions"].to_pylist() == [[]]
    assert counts["photo without caption"] == 1
    assert ("captions of an image that their file does not list", 1, "", "image_id 9") in counts.rows()


def test_rows_without_a_file_name_are_counted_with_their_captions(tmp_path):
    make(tmp_path, "a.jpg")
    (tmp_path / "captions.csv").write_text("file,caption\na.jpg,A cup\n,Whose?\n,Mine\n")
    counts = LeftOut()
    assert list_folder(tmp_path, counts=counts)["captions"].to_pylist() == [["A cup"]]
    assert ("row without a file name", 2, "", "Whose?") in counts.rows()


def test_what_follows_the_end_of_the_json_is_told(tmp_path):
    make(tmp_path, "COCO_train2014_000000000000.jpg")
    (tmp_path / "captions.json").write_text(json.dumps(coco("train2014", range(1))) + "{}")
    with pytest.raises(CaptionsError, match="something follows its end"):
        list_folder(tmp_path)
