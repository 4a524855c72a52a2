"""How pooled models are told of in the report."""

from __future__ import annotations

import pytest

from clip_pipeline.evaluation.report.token_pooling import layers_text, pooling_table
from clip_pipeline.models.token_pooling import TokenPooling


def test_models_that_pool_nothing_need_no_table():
    assert pooling_table({}) is None and pooling_table({"own": None, "other": None}) is None


def test_each_variant_has_a_row_with_the_tokens_of_its_layers():
    facts = TokenPooling("router", 8, 8, 6, 16, 2, "hilbert").facts()
    table = pooling_table({"own": None, "pooled": facts})
    assert table is not None and len(table.header) == len(table.rows[0])
    assert table.rows == [
        ("own", "every token stays", "1", "–", "–"),
        ("pooled", "router (hilbert)", "4", "65 in layers 1 to 2, 17 in layers 3 to 6", "0%"),
    ]


def test_a_checkpoint_of_an_earlier_version_is_told_of_with_what_it_says():
    table = pooling_table({"pooled": {"kind": "tome", "tokens_of_layers": [5, 2]}})
    assert table is not None and table.rows == [("pooled", "tome", "–", "5 in layer 1, 2 in layer 2", "0%")]


@pytest.mark.parametrize(
    ("tokens", "text"),
    [([7], "7 in layer 1"), ([7, 7], "7 in layers 1 to 2"), ([7, 3, 3], "7 in layer 1, 3 in layers 2 to 3")],
)
def test_layers_that_see_as_many_tokens_are_told_of_together(tokens, text):
    assert layers_text(tokens) == text
