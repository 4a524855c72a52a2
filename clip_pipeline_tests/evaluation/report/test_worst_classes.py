from __future__ import annotations

import pytest
from scipy.stats import binomtest

from clip_pipeline.evaluation.report.worst_classes import find_worst_classes


def rows(name, right, wrong):
    """Predictions of one class: `right` photos named rightly, the others called as `wrong` says."""
    every = [{"label_name": name, "predicted_name": name, "correct": True}] * right
    for called, times in wrong.items():
        every = every + [{"label_name": name, "predicted_name": called, "correct": False}] * times
    return every


def test_the_worst_come_first_with_what_they_were_taken_for():
    hard = find_worst_classes(
        rows("cat", 20, {"dog": 50, "fox": 30}) + rows("dog", 90, {"cat": 10}) + rows("fox", 5, {})
    )
    assert [one.name for one in hard] == ["cat", "dog", "fox"]
    assert (hard[0].right, hard[0].photos, hard[0].taken_for, hard[0].times) == (20, 100, "dog", 50)
    assert (hard[2].taken_for, hard[2].times) == ("", 0)


def test_the_interval_is_wilsons():
    (one,) = find_worst_classes(rows("cat", 7, {"dog": 13}))
    expected = binomtest(7, 20).proportion_ci(method="wilson")
    assert (one.low, one.high) == pytest.approx((expected.low, expected.high), abs=1e-5)


def test_a_class_of_two_photos_does_not_come_first_by_bad_luck():
    hard = find_worst_classes(rows("rare", 0, {"dog": 2}) + rows("common", 10, {"dog": 90}))
    assert [one.name for one in hard] == ["common", "rare"]


def test_equal_classes_are_listed_by_name_and_no_more_than_asked_for():
    every = [row for name in "dbca" for row in rows(name, 1, {"x": 3, "w": 3})]
    assert [(one.name, one.taken_for) for one in find_worst_classes(every, 3)] == [
        ("a", "w"),
        ("b", "w"),
        ("c", "w"),
    ]
