"""Variants of a data folder: listed, added, removed; what a step and a take-down make of them."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from clip_pipeline.errors import ModelError, SettingsError, WithheldArtifactError
from clip_pipeline.pipeline.graph import STEPS
from clip_pipeline.pipeline.leftovers import artifacts_of_dataset, artifacts_of_variant, undefined_artifacts
from clip_pipeline.pipeline.partitions import image_formats, trials_by_variant, variant_names
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.steps.training import BUILDERS
from clip_pipeline.pipeline.variants.defined import add_variant, describe_variants, remove_variant
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import fingerprinted, with_settings
from clip_pipeline.settings.recipes import TINY
from clip_pipeline.storage.disk import hash_json
from clip_pipeline.storage.manifest import Built, Wanted


@pytest.fixture
def workspace(tmp_path):
    with Workspace(tmp_path, TINY) as workspace:
        yield workspace


def publish(workspace, asset: str, partition: str) -> None:
    def build(folder, work) -> Built:
        (folder / "file").write_text(partition)
        return Built()

    workspace.store.materialise(artifact_key(asset, partition), Wanted("1", {}, {}), build)


def test_every_step_after_the_training_has_partitions_of_each_variant(workspace):
    add_variant(workspace, "long", ["training.epochs=4"])
    assert STEPS["clip_checkpoint"].partitions(workspace) == ["tiny_test", "long"]
    assert STEPS["zero_shot_scores"].partitions(workspace)[:2] == ["held_out|tiny_test", "held_out|long"]
    assert trials_by_variant(workspace)[:2] == ["zero_shot@050|tiny_test", "linear_probe@050|tiny_test"]
    assert STEPS["adaptation_curves"].partitions(workspace) == ["tiny_test", "long"]
    assert STEPS["photo_catalog"].partitions(workspace) == [""]


def test_a_step_is_handed_the_settings_of_its_partitions_variant(workspace):
    add_variant(workspace, "long", ["training.epochs=4"])
    step = STEPS["clip_checkpoint"]
    configs = {name: step.builder.config(step.workspace_of(workspace, name)) for name in variant_names(workspace)}
    assert {name for name in configs["long"] if configs["long"][name] != configs["tiny_test"][name]} == {"epochs"}
    assert STEPS["zero_shot_scores"].workspace_of(workspace, "sandbox|long").recipe.training.epochs == 4
    assert STEPS["vocabulary"].workspace_of(workspace, "").recipe == TINY
    with pytest.raises(SettingsError, match='no training variant "lnog"'):
        step.workspace_of(workspace, "lnog")


def test_a_workspace_for_some_variants_has_partitions_of_those_only(tmp_path, workspace):
    add_variant(workspace, "long", ["training.epochs=4"])
    add_variant(workspace, "large", ["training.cached_image_size=20"])
    assert image_formats(workspace) == ["16px_squash", "20px_squash"]
    with Workspace(tmp_path, TINY, variants=("long",)) as only:
        assert STEPS["clip_checkpoint"].partitions(only) == ["long"]
        assert STEPS["decoded_images"].partitions(only) == ["16px_squash"]
        assert STEPS["retrieval_scores"].partitions(only) == ["held_out|long", "sandbox|long"]
        assert STEPS["benchmark_dataset"].partitions(only) == ["held_out", "sandbox"]


def test_one_broken_definition_leaves_the_other_variants_alone(workspace):
    add_variant(workspace, "long", ["training.epochs=4"])
    (workspace.store.root / "variants" / "broken.toml").write_text("[training]\nepochz = 3")
    assert image_formats(workspace) == ["16px_squash"]
    (workspace.store.root / "variants" / "narrow.toml").write_text("[training]\ntext_width = 7")
    states = {one.name: (one.state, one.changed) for one in describe_variants(workspace)}
    assert states["narrow"][0] == "broken"
    assert states["long"] == ("not trained", {"epochs": 4.0})
    assert states["broken"][0] == "broken"
    assert states["tiny_test"] == ("not trained", {})


def test_after_a_broken_definition_failed_once_all_that_needs_it_is_skipped(workspace):
    (workspace.store.root / "variants").mkdir()
    (workspace.store.root / "variants" / "broken.toml").write_text("[training]\nepochz = 3")
    after = STEPS["image_embeddings"]
    with pytest.raises(SettingsError, match=r"broken\.toml: There is no setting"):
        after.materialise(workspace, "sandbox|broken")
    workspace.withhold(STEPS["clip_checkpoint"].key("broken"), "clip_checkpoint[broken] failed")
    with pytest.raises(WithheldArtifactError) as skipped:
        after.materialise(workspace, "sandbox|broken")
    assert skipped.value.reason == "clip_checkpoint[broken] failed"
    with pytest.raises(SettingsError):
        STEPS["clip_checkpoint"].materialise(workspace, "broken")


@pytest.mark.parametrize(
    ("setting", "error", "sentence"),
    [
        ("training.model=vit_s_16_113", ModelError, 'Did you mean "vit_s_16_112"'),
        ("training.cached_image_size=4", SettingsError, "less than the 16 pixels"),
        ("training.context_length=4", SettingsError, "the tokenizer, which all variants share, is made for 12"),
        ("training.init_from=/nowhere", ModelError, "/nowhere"),
    ],
)
def test_a_variant_that_could_not_be_trained_is_refused_and_not_kept(workspace, setting, error, sentence):
    with pytest.raises(error, match=sentence):
        add_variant(workspace, "new", [setting])
    assert variant_names(workspace) == ["tiny_test"]


def test_removing_a_variant_names_what_it_leaves(workspace):
    add_variant(workspace, "long", ["training.epochs=4"])
    for asset, partition in [
        ("clip_checkpoint", "long"),
        ("clip_checkpoint", "tiny_test"),
        ("zero_shot_scores", "sandbox|long"),
        ("adaptation_scores", "full@050|long"),
        ("benchmark_dataset", "sandbox"),
    ]:
        publish(workspace, asset, partition)
    left = [str(artifact.key) for artifact in remove_variant(workspace, "long")]
    assert left == ["clip_checkpoint[long]", "zero_shot_scores[sandbox|long]", "adaptation_scores[full@050|long]"]
    assert variant_names(workspace) == ["tiny_test"]
    assert [(one.name, one.state) for one in describe_variants(workspace)][1:] == [("long", "undefined")]
    assert len(artifacts_of_variant(workspace.store, "long")) == 3, "they stay"
    of_dataset = [str(artifact.key) for artifact in artifacts_of_dataset(workspace.store, "sandbox")]
    assert of_dataset == ["benchmark_dataset[sandbox]", "zero_shot_scores[sandbox|long]"]
    assert [one.key.partition for one in undefined_artifacts(workspace)] == ["long", "sandbox|long", "full@050|long"]
    for name, sentence in (("long", "no training variant"), ("tiny_test", "variant of the recipe itself")):
        with pytest.raises(SettingsError, match=sentence):
            remove_variant(workspace, name)


SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.integers(0, 3),
        "epochs": st.sampled_from([1.0, 2.0, 4.0]),
        "flip": st.booleans(),
        "optimizer": st.sampled_from(["adamw", "muon"]),
        "text_layers": st.sampled_from([0, 1, 2]),
        "checkpoint_seconds": st.sampled_from([10.0, 30.0]),
    },
)


@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine pauses
@given(SETTINGS, SETTINGS)
def test_two_variants_have_one_fingerprint_only_where_their_settings_are_the_same(first, second):
    recipes = [with_settings(TINY, [f"training.{name}={str(value).lower()}" for name, value in one.items()]) for one in (first, second)]  # fmt: skip
    config = BUILDERS["clip_checkpoint"].config
    hashes = [hash_json(config(Workspace("data", recipe))) for recipe in recipes]
    written = [
        hash_json(fingerprinted(recipe.training)) for recipe in recipes
    ]  # 2 epochs and 2.0 are written otherwise
    assert (hashes[0] == hashes[1]) == (written[0] == written[1])
