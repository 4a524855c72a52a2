"""Which settings decide an asset's bytes, read off its fingerprint."""

from __future__ import annotations

import pytest

from clip_pipeline.pipeline.asset_settings import fingerprinted_settings
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import with_settings
from clip_pipeline.settings.recipes import find_recipe


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path, find_recipe("tiny"))


def names(asset: str, workspace: Workspace) -> list[str]:
    return [field.full_name for field in fingerprinted_settings(STEPS[asset], workspace)]


def test_they_are_those_of_the_fingerprint_by_their_full_names(workspace):
    assert names("word_counts", workspace) == ["words.rules", "words.possessives", "words.segmentation"]
    assert names("text_embeddings", workspace) == [
        "embedding.dtype",
        "embedding.unit_length",
        "evaluation.templates",
    ]
    assert names("benchmark_report", workspace) == []
    assert names("image_text_pairs", workspace)[0] == "pairs.validation_percent"


def test_a_name_that_two_sections_have_is_that_of_the_section_that_was_read(workspace):
    assert {"adaptation.seed", "evaluation.seed"} <= set(names("adaptation_scores", workspace))
    assert not any(name.startswith("training.") for name in names("adaptation_scores", workspace))


@pytest.mark.parametrize("asset", [name for name, step in STEPS.items() if step.builder.config])
def test_each_changes_the_fingerprint_and_settings_of_speed_are_not_among_them(asset, workspace):
    """Asked of those that are on or off, since the other value is allowed too."""
    step = STEPS[asset]
    before = step.builder.config(workspace)
    for field in fingerprinted_settings(step, workspace):
        assert not field.speed, field.full_name
        value = getattr(getattr(workspace.recipe, field.section), field.name)
        if type(value) is not bool:
            continue
        other = Workspace(
            workspace.store.root, with_settings(workspace.recipe, [f"{field.full_name}={str(not value).lower()}"])
        )
        assert step.builder.config(other) != before, field.full_name


def test_a_recipe_without_its_photos_path_still_has_settings(tmp_path):
    found = names("image_links", Workspace(tmp_path, find_recipe("laptop")))
    assert "links.path" in found and "links.source" in found
