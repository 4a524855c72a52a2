from __future__ import annotations

import numpy as np
import pytest

from clip_pipeline.errors import SettingsError
from clip_pipeline.evaluation.datasets import Dataset
from clip_pipeline.evaluation.prompts import texts_to_embed
from clip_pipeline.evaluation.templates import CIFAR_18, imagenet_80, template_sets
from clip_pipeline.evaluation.zero_shot import LabelTruth, zero_shot_scores
from clip_pipeline.settings import EvaluationSettings
from clip_pipeline_tests.evaluation.fakes import score, write_images, write_texts

NAMES = ("red cup", "{odd} ball")
DATASET = Dataset("things", ["a", "b"], ["test"] * 2, lambda row: b"", [0, 1], NAMES, ("{c}", "my {c}"))


def test_the_sets_have_as_many_prompts_as_their_names_say_and_each_holds_the_class():
    for templates, count in ((CIFAR_18, 18), (imagenet_80(), 80)):
        assert len(set(templates)) == count
        assert all(template.count("{c}") == 1 and "{article}" not in template for template in templates)
    assert "a low contrast photo of the {c}." in CIFAR_18
    assert "a photo of the large {c}." in imagenet_80()


def test_several_sets_lie_side_by_side_in_one_table():
    table = texts_to_embed(DATASET, "own, cifar18")
    assert len(table) == 2 * (2 + 18)
    assert len(set(table["id"].to_pylist())) == len(table)
    rows = table.to_pylist()
    assert rows[1]["text"] == "my red cup"
    assert (rows[-1]["template_set"], rows[-1]["class_name"]) == ("cifar18", "{odd} ball")
    assert rows[-1]["text"] == rows[-1]["template"].replace("{c}", "{odd} ball")


def test_captions_stay_as_they_are():
    dataset = Dataset("photos", ["a"], ["test"], lambda row: b"", captions=[["one", "two"]])
    assert texts_to_embed(dataset, "cifar18")["text"].to_pylist() == ["one", "two"]


@pytest.mark.parametrize(("names", "said"), [("cifar19", "cifar18"), (" , ", "names no set")])
def test_an_unknown_set_is_told_with_the_nearest_name(names, said):
    with pytest.raises(SettingsError, match=said):
        template_sets(names, ("{c}",))


def test_each_set_is_scored_with_its_own_prompts_and_says_so(tmp_path):
    # the own prompts point at the right classes, the 18 at the wrong ones
    table = texts_to_embed(DATASET, "own,cifar18")
    vectors = np.eye(2)[[row["class_index"] ^ (row["template_set"] == "cifar18") for row in table.to_pylist()]]
    truth = LabelTruth("things", DATASET.ids, DATASET.labels, DATASET.splits, NAMES)
    images = write_images(tmp_path / "i", DATASET.ids, np.eye(2))
    texts = write_texts(tmp_path / "t", table, vectors)
    rows = zero_shot_scores(images, texts, truth, EvaluationSettings(bootstrap_samples=100), tmp_path)
    by_set = {name: [row for row in rows if row["templates"] == name] for name in ("own", "cifar18")}
    assert score(by_set["own"], "top1")["value"] == 1
    assert score(by_set["cifar18"], "top1")["value"] == 0
    counts = {name: rows[0]["provenance"]["template_count"] for name, rows in by_set.items()}
    assert counts == {"own": 2, "cifar18": 18}
    assert len({row["provenance"]["templates_sha256"] for row in rows}) == 2
