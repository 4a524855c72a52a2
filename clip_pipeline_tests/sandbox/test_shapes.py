from __future__ import annotations

import itertools

import pytest

from clip_pipeline.sandbox.render import NEUTRAL_TINTS
from clip_pipeline.sandbox.scenes import OBJECTS
from clip_pipeline.sandbox.shapes import outline

CORNERS = list(itertools.product((0.0, 0.45, 0.999), repeat=3))


@pytest.mark.parametrize("name", OBJECTS)
def test_every_form_of_an_object_lies_within_about_one_unit(name):
    for shape in CORNERS:
        for points, tint in outline(name, shape):
            assert len(points) >= 3 and tint in {"base", "dark", "light", *NEUTRAL_TINTS}
            assert all(abs(x) <= 1.1 and abs(y) <= 1.1 for x, y in points)


@pytest.mark.parametrize("name", OBJECTS)
def test_every_object_has_a_part_in_its_own_colour_and_varies(name):
    forms = [outline(name, shape) for shape in CORNERS]
    assert all("base" in {tint for _, tint in form} for form in forms)
    assert len({repr(form) for form in forms}) > 3
