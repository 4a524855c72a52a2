from __future__ import annotations

import numpy as np

from clip_pipeline.evaluation.report.confusion import commonest_confusions, confusion_matrix


def rows(*pairs: tuple[int, int]) -> list[dict]:
    return [
        {"label": a, "label_name": f"c{a}", "predicted": b, "predicted_name": f"c{b}", "correct": a == b}
        for a, b in pairs
    ]


def test_shares_are_of_the_true_class():
    names, matrix, classes = confusion_matrix(rows((0, 0), (0, 0), (0, 2), (0, 0), (2, 0), (2, 2)))
    assert (names, classes) == (["c0", "c2"], 2)
    np.testing.assert_allclose(matrix, [[0.75, 0.25], [0.5, 0.5]])


def test_of_many_classes_the_most_confused_are_shown():
    right = [(c, c) for c in range(60)]
    names, matrix, classes = confusion_matrix(rows(*right, (57, 58), (58, 57)))
    assert (len(names), classes, matrix.shape) == (40, 60, (40, 40))
    assert {"c57", "c58"} <= set(names)


def test_the_commonest_confusions_come_first():
    found = commonest_confusions(rows((0, 1), (0, 1), (0, 0), (1, 2), (2, 2)))
    assert found == [("c0", "c1", 2, 3), ("c1", "c2", 1, 1)]
