"""What has no score is one sentence, as wide as it can be said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.steps.evaluation import SCORES
from clip_pipeline.pipeline.steps.score_states import not_scored, score_states
from clip_pipeline.pipeline.variants.defined import add_variant
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import AdaptationSettings, with_settings
from clip_pipeline.settings.recipes import TINY
from clip_pipeline.storage.manifest import Built, Wanted

DATASETS, VARIANTS = ("digits", "held_out", "sandbox"), ("tiny_test", "long", "short")


@pytest.fixture
def workspace(tmp_path):
    """All of three datasets and three variants, as far as names go."""
    recipe = with_settings(TINY, ["evaluation.datasets=digits,held_out,sandbox", "adaptation.dataset="])
    assert recipe.adaptation.dataset == AdaptationSettings().dataset
    with Workspace(tmp_path, recipe) as workspace:
        for name in VARIANTS[1:]:
            add_variant(workspace, name, ["training.seed=7"])
        for name in VARIANTS:
            publish(workspace, "clip_checkpoint", name)
        for name in DATASETS:
            publish(workspace, "benchmark_dataset", name)
        yield workspace


def publish(workspace, asset: str, partition: str) -> None:
    workspace.store.materialise(artifact_key(asset, partition), Wanted("1", {}, {}), lambda folder, work: Built())


def score(workspace, *pairs: str, kinds=SCORES) -> None:
    for pair in pairs:
        for asset in kinds:
            publish(workspace, asset, pair)


def sentences(workspace) -> list[str]:
    """As if all scores were new: what is published here has other inputs than a real run's."""
    return not_scored(workspace, [replace(one, why="") if one.artifact else one for one in score_states(workspace)])


def test_a_variant_without_any_and_a_dataset_without_any_are_a_sentence_each(workspace):
    score(workspace, "digits|tiny_test", "held_out|tiny_test", "digits|long", "held_out|long")
    assert sentences(workspace) == [
        "short, on all datasets: not scored yet.",
        "sandbox, by all variants: not scored yet.",
    ]


def test_a_pair_names_the_kinds_that_it_lacks(workspace):
    score(workspace, *(f"{dataset}|{variant}" for dataset in DATASETS for variant in VARIANTS if variant != "short"))
    score(workspace, "digits|short", "held_out|short")
    score(workspace, "sandbox|short", kinds=SCORES[:2])
    assert sentences(workspace) == ["short on sandbox: probe_scores not made yet."]


def test_what_failed_in_this_run_is_the_reason(workspace):
    score(workspace, *(f"{dataset}|{variant}" for dataset in DATASETS for variant in VARIANTS))
    workspace.withhold(artifact_key("clip_checkpoint", "long"), "clip_checkpoint[long] failed")
    workspace.withhold(
        artifact_key("probe_scores", "sandbox|short"), "the check X of probe_scores[sandbox|short] failed"
    )
    assert sentences(workspace) == [
        "long, on all datasets: clip_checkpoint[long] failed.",
        "short on sandbox: the check X of probe_scores[sandbox|short] failed.",
    ]


def test_a_model_that_was_not_trained_and_photos_that_were_not_read(workspace):
    add_variant(workspace, "new", ["training.seed=8"])
    score(workspace, *(f"{dataset}|{variant}" for dataset in DATASETS for variant in VARIANTS))
    (workspace.store.root / "datasets").mkdir()
    (workspace.store.root / "datasets" / "gone.toml").write_text('dataset = "/nowhere/gone"')
    first, second = sentences(workspace)
    assert first == "new, on all datasets: not trained yet."
    assert second.startswith('gone, by all variants: There is no dataset "/nowhere/gone"')
