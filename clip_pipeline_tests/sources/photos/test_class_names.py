"""Files that name classes which go by numbers, ids or other words."""

from __future__ import annotations

import json

import pytest

from clip_pipeline.errors import PhotosError
from clip_pipeline.sources.photos.class_names import names_by_files, read_class_names


def named(folder, keys):
    found = names_by_files([folder], keys)
    return found and found[0]


@pytest.mark.parametrize(
    ("keys", "lines", "names"),
    [
        (["0", "1", "2"], "cat\ndog\ncar\n", ["cat", "dog", "car"]),
        (["00000", "00002"], "cat\ndog\ncar\n\n", ["cat", "car"]),
        (["1", "2", "3"], "cat\ndog\ncar\n", ["cat", "dog", "car"]),
        (["red_cup", "blue-ball"], "Blue Ball\nRed Cup\n", ["Red Cup", "Blue Ball"]),
        (["n01440764", "n02102040"], "n02102040 a dog\nn01440764 a fish\n", ["a fish", "a dog"]),
        (["n01440764", "n02102040"], "a fish\na dog\n", ["a fish", "a dog"]),
    ],
)
def test_classnames_txt_names_class_folders(tmp_path, keys, lines, names):
    (tmp_path / "classnames.txt").write_text(lines)
    assert named(tmp_path, keys) == names


def test_classnames_txt_for_other_classes_is_refused(tmp_path):
    (tmp_path / "classnames.txt").write_text("cat\ndog\ncar\n")
    with pytest.raises(PhotosError, match=r"classnames.txt has 3 names, and there are 2 classes \(ant, bee\)"):
        named(tmp_path, ["ant", "bee"])


def test_an_empty_line_in_classnames_txt_shifts_no_label_but_is_refused(tmp_path):
    (tmp_path / "classnames.txt").write_text("cat\n\ndog\n")
    with pytest.raises(PhotosError, match="line 2 is empty, and a label is the number of its line"):
        read_class_names(tmp_path, [0, 1])
    (tmp_path / "classnames.txt").write_text("cat\ndog\n\n \n")
    assert read_class_names(tmp_path, [0, 1]) == ["cat", "dog"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("words.txt", "n02102040\tdog, hound\nn01440764\ttench, Tinca tinca\nn00000001\tother\n"),
        ("LOC_synset_mapping.txt", "n01440764 tench, Tinca tinca\nn02102040 dog\n"),
        ("Labels.json", json.dumps({"n01440764": "tench", "n02102040": "dog"})),
        ("imagenet_class_index.json", json.dumps({"0": ["n01440764", "tench"], "217": ["n02102040", "dog"]})),
        ("class_names.csv", "id,name\nn01440764,tench\nn02102040,dog\n"),
    ],
)
def test_lists_of_wordnet_ids_name_their_folders(tmp_path, file, text):
    (tmp_path / file).write_text(text)
    assert named(tmp_path, ["n01440764", "n02102040"]) == ["tench", "dog"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("cat_to_name.json", json.dumps({"1": "rose", "2": "fire lily"})),
        ("class_to_idx.json", json.dumps({"rose": 1, "fire lily": 2})),
        ("signnames.csv", "ClassId,SignName\n1,rose\n2,fire lily\n"),
        ("labels.txt", "1: rose\n2: fire lily\n"),
        ("classes.txt", "rose\nfire lily\n"),
        ("label_names.json", '["rose", "fire lily"]'),
    ],
)
def test_lists_of_numbers_name_their_folders_and_it_is_said(tmp_path, caplog, file, text):
    (tmp_path / file).write_text(text)
    assert named(tmp_path, ["1", "2"]) == ["rose", "fire lily"]
    assert f'{file} names the 2 classes: "1" is "rose"' in caplog.text


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("labels.csv", "file,label\n1.jpg,cat\n2.jpg,dog\n"),
        ("labels.txt", "1.jpg cat\n2.jpg dog\n"),
        ("classes.txt", "rose\nlily\noak\n"),
        ("cat_to_name.json", '{"1": "rose"}'),
        ("classes.json", "{"),
        ("readme.txt", "rose\nlily\n"),
    ],
)
def test_other_files_name_no_classes(tmp_path, file, text):
    (tmp_path / file).write_text(text)
    assert named(tmp_path, ["1", "2"]) is None


def test_folders_with_names_of_their_own_keep_them_beside_other_lists(tmp_path):
    (tmp_path / "classes.txt").write_text("rose\nlily\n")
    assert named(tmp_path, ["cat", "dog"]) is None
