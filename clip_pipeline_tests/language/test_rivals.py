"""Models beside those that do not pool: by the seeds that both have, block by block."""

from __future__ import annotations

import numpy as np
import pytest

from clip_pipeline.language.asked import AskedModel
from clip_pipeline.language.rivals import pairs_of, pairs_text, rival_sentence

BLOCKS = 40


def blocks_of(level: float, hard_N: np.ndarray) -> np.ndarray:
    return level + hard_N


def made(fewer: dict[str, list[float]], blocks: int = BLOCKS):
    """none@2 at 2 bits with three seeds, and others that need so many bits fewer with each of theirs; blocks differ by far more."""
    hard_N = np.random.default_rng(0).normal(0, 0.5, blocks)
    models = [AskedModel("none", 2, seed) for seed in range(3)]
    found = {(model.key, "test"): blocks_of(2 + 0.01 * model.seed, hard_N) for model in models}
    for name, of_seeds in fewer.items():
        kind, _, number = name.partition("@")
        for seed, less in enumerate(of_seeds):
            model = AskedModel(kind, float(number or 0), seed)
            models.append(model)
            noise_N = np.random.default_rng(seed + 1).normal(0, 0.001, blocks)
            found[model.key, "test"] = blocks_of(2 + 0.01 * seed - less, hard_N) + noise_N
    return models, found


def test_each_seed_is_beside_the_same_seed_and_blocks_that_are_hard_for_both_cancel():
    (pair,) = pairs_of(*made({"whitespace": [0.1, 0.2]}), samples=500, seed=0)
    assert (pair.name, pair.rival, pair.split, pair.seeds) == ("whitespace", "none@2", "test", 2)
    assert pair.less == pytest.approx(0.15, abs=1e-3)
    assert (pair.least, pair.largest) == (pytest.approx(0.1, abs=1e-3), pytest.approx(0.2, abs=1e-3))
    assert pair.low is not None and pair.high is not None and pair.low < pair.less < pair.high < pair.low + 0.002
    assert pair.rival_bits - pair.bits == pytest.approx(pair.less)


def test_models_without_a_common_seed_are_no_pair_and_a_short_text_has_no_interval():
    models, found = made({"whitespace": [0.1]}, blocks=5)
    lonely = AskedModel("router", 4, 7)
    pairs = pairs_of([*models, lonely], found | {(lonely.key, "test"): np.ones(5)}, samples=100, seed=0)
    assert [pair.name for pair in pairs] == ["whitespace"]
    assert pairs[0].low is None and "too short for an interval" in rival_sentence(pairs)


@pytest.mark.parametrize(
    ("fewer", "said"),
    [
        (0.1, "whitespace beside none@2: 0.100 bits fewer (0."),
        (-0.1, "whitespace beside none@2: 0.100 bits more (0.100 to 0.100): nothing that pools beats it."),
        (0.0, "whitespace beside none@2: no difference that the text can show ("),
    ],
)
def test_the_sentence_names_the_best_that_pools_and_whether_it_wins(fewer, said):
    pairs = pairs_of(*made({"whitespace": [fewer], "fixed@4": [fewer - 0.5]}), samples=500, seed=0)
    assert rival_sentence(pairs).startswith(said)
    assert [line.split()[0] for line in pairs_text(pairs).splitlines()[-2:]] == ["whitespace", "fixed@4"]


def test_plain_models_beside_each_other_are_pairs_but_none_that_pools():
    models = [AskedModel("none", 2, 0), AskedModel("none", 6, 0)]
    pairs = pairs_of(models, {(model.key, "test"): np.arange(20.0) for model in models}, samples=100, seed=0)
    assert {(pair.name, pair.rival) for pair in pairs} == {("none@2", "none@6"), ("none@6", "none@2")}
    assert rival_sentence(pairs) == ""
