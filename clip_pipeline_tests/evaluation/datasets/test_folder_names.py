"""Names of classes that a caption could hold: as many as there are folders, and none without a word."""

from __future__ import annotations

import re

import pytest

from clip_pipeline.evaluation.datasets.folder_names import readable_class_names


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["10_euro", "20_euro", "50_euro"], ["10 euro", "20 euro", "50 euro"]),
        (["1_euro", "2_euro"], ["1 euro", "2 euro"]),
        (["10_euro", "20_dollar"], ["10 euro", "20 dollar"]),
        (["1_cup", "2_red_ball", "3_hat"], ["cup", "red ball", "hat"]),
        (["001.Black_footed_Albatross", "015.Lazuli_Bunting"], ["Black footed Albatross", "Lazuli Bunting"]),
        (["red_cup", "red cup"], ["red_cup", "red cup"]),
        (["n02085620-Chihuahua", "n02085782-Japanese_spaniel"], ["Chihuahua", "Japanese spaniel"]),
        (["n01440764", "n02102040"], ["tench", "English Springer Spaniel"]),
        (["n03773504", "n04008634"], ["missile", "projectile"]),
        (["n02123045", "n02084071"], ["tabby cat", "dog"]),
    ],
)
def test_names_stay_as_many_as_folders(folders, names):
    assert readable_class_names(folders, "pets") == names


@pytest.mark.parametrize(
    ("folders", "sentence"),
    [
        (["n01440764", "cup"], '1 folders are called by WordNet ids and get its names: n01440764 is "tench"'),
        (
            ["00000", "00001"],
            r"2 classes are called by numbers \(00000, 00001\), which no caption says. Write their names",
        ),
        (["n99999999", "cup"], r"1 classes are called by numbers \(n99999999\)"),
    ],
)
def test_what_no_caption_says_is_told(caplog, folders, sentence):
    readable_class_names(folders, "pets")
    assert caplog.text.count("WARNING") == 1
    assert re.search(sentence, caplog.text)
