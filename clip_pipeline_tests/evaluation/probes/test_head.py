from __future__ import annotations

import numpy as np
import pytest

from clip_pipeline.errors import InputError, ShapeError
from clip_pipeline.evaluation.probes.head import LinearHead, read_head

HEAD = LinearHead(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0.0, 0.5]), 3.0)


def test_the_class_with_the_largest_logit_is_said_and_ties_go_to_the_lower_index():
    assert HEAD.predict(np.array([[2.0, 0.0], [0.0, 2.0], [0.5, 0.0]])).tolist() == [0, 1, 0]


def test_vectors_of_another_model_are_told():
    with pytest.raises(ShapeError, match="trained on vectors of 2 numbers and these have 3. They are of another model"):
        HEAD.predict(np.zeros((1, 3)))
    with pytest.raises(ShapeError, match="expected one row a photo"):
        HEAD.predict(np.zeros(2))


def test_a_head_is_stored_and_read(tmp_path):
    HEAD.save(tmp_path / "head.npz")
    read = read_head(tmp_path / "head.npz")
    assert (
        (read.weights_CD == HEAD.weights_CD).all()
        and (read.bias_C == HEAD.bias_C).all()
        and read.inverse_regularization == 3
    )


def test_another_file_is_no_head(tmp_path):
    (tmp_path / "a.npz").write_text("no head")
    with pytest.raises(InputError, match="cannot be read as a linear head"):
        read_head(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", weights=np.zeros(3))
    with pytest.raises(InputError, match="cannot be read as a linear head"):
        read_head(tmp_path / "b.npz")
