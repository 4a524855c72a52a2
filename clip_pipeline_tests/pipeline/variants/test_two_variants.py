"""Two variants that differ in one setting, trained, scored and compared in one data folder."""

from __future__ import annotations

import json
import shutil

import pytest

from clip_pipeline.api.run import run
from clip_pipeline.api.variants import list_variants
from clip_pipeline.errors import SettingsError
from clip_pipeline.evaluation.scores import read_scores
from clip_pipeline.pipeline.graph import STEPS, select
from clip_pipeline.pipeline.partitions import variant_of
from clip_pipeline.pipeline.run import run_steps
from clip_pipeline.pipeline.variants.defined import add_variant, describe_variants
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings.recipes import TINY

OWN, OTHER = "tiny_test", "seed1"


@pytest.fixture(scope="module")
def data(tiny_data, tmp_path_factory):
    """The tiny run, and beside its variant one with another seed, brought up to date alone."""
    folder = tmp_path_factory.mktemp("variants") / "data"
    shutil.copytree(tiny_data, folder, copy_function=shutil.copy2)
    with Workspace(folder, TINY, variants=(OTHER,)) as workspace:
        add_variant(workspace, OTHER, ["training.seed=1"])
        outcomes = run_steps(workspace, select(""))
    built = {outcome.asset: [key for key, done in outcome.partitions.items() if not done.hit] for outcome in outcomes}
    assert {key for keys in built.values() for key in keys if key} == {
        *(OTHER, f"sandbox|{OTHER}", f"held_out|{OTHER}"),
        *(
            key
            for asset in ("adaptation_scores", "shard_embeddings")
            for key in built[asset]
            if key.endswith(f"|{OTHER}")
        ),
    }, "nothing of the other variant, nothing that they share"
    return folder


@pytest.fixture
def workspace(data):
    with Workspace(data, TINY) as workspace:
        yield workspace


def test_each_variant_has_bytes_of_its_own_and_the_recipes_are_those_of_before(data, workspace, tiny_data):
    with Workspace(tiny_data, TINY) as before:
        for name, step in STEPS.items():
            for key in step.partitions(workspace):
                own = variant_of(step.asset, key) == OWN
                if own and not step.asset.on_request:
                    assert workspace.get(name, key).content == before.get(name, key).content
                    other = key.replace(OWN, OTHER)
                    if name in ("clip_checkpoint", "image_embeddings", "text_embeddings"):
                        assert workspace.get(name, other).content != workspace.get(name, key).content


def test_everything_is_fresh_afterwards(workspace):
    again = run_steps(workspace, select(""))
    assert {outcome.asset: outcome.built for outcome in again if outcome.built} == {}
    assert [(one.name, one.state) for one in describe_variants(workspace)] == [(OWN, "trained"), (OTHER, "trained")]


def test_the_report_compares_the_variants(workspace):
    report = workspace.get("benchmark_report")
    rows = read_scores(report.file("scores.json"))
    models = [row["provenance"]["model"] for row in rows]
    assert models == sorted(models, key=(OWN, OTHER).index) and models.count(OWN) == models.count(OTHER)
    compared = json.loads(report.file("comparison.json").read_text())
    assert compared["variants"] == {OWN: {}, OTHER: {"seed": 1}}
    (comparison,) = compared["comparisons"]
    assert (comparison["first"], comparison["second"]) == (OTHER, OWN) and comparison["differences"]
    assert comparison["left_out"] == []
    text, page = (report.file(name).read_text() for name in ("report.md", "report.html"))
    for shown in (text, page):
        assert "Training variants" in shown and "seed=1" in shown
        assert "Not scored" not in shown
    assert rf"| what | metric | {OWN} | {OTHER} |" in text.replace("\\_", "_")


def test_what_is_not_scored_is_named_with_the_reason(data, workspace, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(data, copy, copy_function=shutil.copy2)
    (copy / "variants" / "broken.toml").write_text("[training]\nepochz = 3")
    (copy / "datasets").mkdir()
    (copy / "datasets" / "pets.toml").write_text(f'dataset = "{tmp_path}/nowhere"')
    (tmp_path / "empty").mkdir()
    (copy / "datasets" / "empty.toml").write_text(f'dataset = "{tmp_path}/empty"')
    with Workspace(copy, TINY) as changed:
        add_variant(changed, "long", ["training.epochs=4"])
        shutil.rmtree(changed.store.folder(STEPS["probe_scores"].key(f"sandbox|{OTHER}")))
        report = STEPS["benchmark_report"].materialise(changed)
    assert not report.hit
    sentences = report.artifact.facts["not scored"]
    assert any(one.startswith("broken, on all datasets: ") and "training.epochz" in one for one in sentences)
    assert "long, on all datasets: not trained yet." in sentences
    assert any(one.startswith("pets, by all variants: There is no dataset") for one in sentences)
    assert any(one.startswith("empty, by all variants: ") and "holds no photos" in one for one in sentences)
    assert f"{OTHER} on sandbox: probe_scores not made yet." in sentences
    text = report.artifact.file("report.md").read_text()
    assert "### Not scored" in text and "training.epochz" in text


def test_a_key_that_says_what_it_means_is_trained_alone_and_its_meaning_kept(data, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(data, copy, copy_function=shutil.copy2)
    name = "steps=2,seed=3"
    (outcome,) = run(TINY, copy, variants=[name], select="clip_checkpoint")
    assert list(outcome.partitions) == [name] and not outcome.partitions[name].hit
    assert outcome.partitions[name].artifact.rows == {"steps": 2}
    assert (copy / "variants" / f"{name}.toml").read_text().endswith("[training]\nsteps = 2\nseed = 3\n")
    assert [one.name for one in list_variants(TINY, copy)] == [OWN, OTHER, name]
    with pytest.raises(SettingsError, match='no training variant "lnog"'):
        run(TINY, copy, variants=["lnog"])


def test_scores_that_are_older_than_their_variants_settings_are_named(data, tmp_path):
    copy = tmp_path / "data"
    shutil.copytree(data, copy, copy_function=shutil.copy2)
    (copy / "variants" / f"{OTHER}.toml").write_text("[training]\nseed = 2")
    with Workspace(copy, TINY) as changed:
        report = STEPS["benchmark_report"].materialise(changed)
        assert [one.state for one in describe_variants(changed)] == ["trained", "stale"]
    assert "seed1, on all datasets: older than what is there now (the setting seed changed from 1 to 2)." in report.artifact.facts["not scored"]  # fmt: skip
