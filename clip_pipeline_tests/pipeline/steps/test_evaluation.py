"""What decides that probes are trained again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from clip_pipeline.pipeline.steps.evaluation import BUILDERS
from clip_pipeline.settings import Recipe, fingerprinted, with_settings

PROBES = BUILDERS["probe_scores"]


def config(*assignments: str) -> dict:
    return dict(PROBES.config(SimpleNamespace(recipe=with_settings(Recipe(), assignments))))


@pytest.mark.parametrize("name", sorted(fingerprinted(Recipe().probe)))
def test_every_setting_of_the_probes_is_in_the_fingerprint(name):
    value = getattr(Recipe().probe, name)
    other = {bool: "no" if value else "yes", str: "1", int: "7", float: "9"}[type(value)]
    if name == "mlp_learning_rate":
        other = "0.5"
    changed = config(f"probe.{name}={other}")
    assert changed != config() and len(changed) == len(config())


def test_the_zero_shot_scores_do_not_depend_on_them():
    zero_shot = BUILDERS["zero_shot_scores"]
    assert not [key for key in zero_shot.config(SimpleNamespace(recipe=Recipe())) if key.startswith("probe")]
