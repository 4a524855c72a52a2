"""Variants and datasets as a person adds, lists and removes them at a terminal."""

from __future__ import annotations

import json

from click.testing import CliRunner

from clip_pipeline.cli import commands
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.settings.recipes import TINY
from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.manifest import Built, Wanted
from clip_pipeline_tests.evaluation.datasets.forms import write_photos


def say(*arguments: object) -> str:
    result = CliRunner().invoke(commands, [str(one) for one in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_variant_is_added_listed_and_removed_and_what_it_leaves_is_named(tmp_path):
    common = ("--recipe", "tiny", "--data", tmp_path)
    added = say("variants", "add", "long", "--set", "training.epochs=4", "--about", "Longer.", *common)
    assert added.startswith("long: training.epochs=4. Train and score it: clip-pipeline run --variant long")
    say("variants", "add", "vit_s_16_112", *common)
    listed = say("variants", *common).splitlines()
    assert [line.split()[0] for line in listed] == ["variant", "tiny_test", "long", "vit_s_16_112"]
    assert "not trained" in listed[2] and "epochs=4.0" in listed[2] and "Longer." in listed[2]
    assert "model=vit_s_16_112" in listed[3]
    key = artifact_key("clip_checkpoint", "long")
    store = Store(tmp_path)
    store.materialise(key, Wanted("1", {}, {}), lambda folder, work: Built())
    removed = say("variants", "remove", "long", *common)
    assert "is no longer defined" in removed and str(store.folder(key)) in removed
    left = say("variants", *common).splitlines()[-1]
    assert left.split()[:2] == ["long", "undefined"] and "nothing reads what it left on the disk: 1 artifacts" in left


def test_a_dataset_is_added_and_removed_by_name_and_by_path(tmp_path):
    pets = write_photos(tmp_path / "pets", ["test/cat/2.jpg", "test/dog/2.jpg"])
    common = ("--recipe", "tiny", "--data", tmp_path / "data")
    assert say("datasets", "add", pets, *common).startswith("pets is one of the datasets in")
    assert say("datasets", "add", "digits", *common).startswith("digits is one of the datasets in")
    status = say("status", *common, "--json")
    assert '"pets"' in status and '"digits|tiny_test"' in status
    assert "The dataset pets is no longer defined." in say("datasets", "remove", "pets", *common)
    assert '"pets"' not in say("status", *common, "--json")


def test_status_shows_a_broken_definition_beside_the_others(tmp_path):
    common = ("--recipe", "tiny", "--data", tmp_path)
    say("variants", "add", "long", "--set", "training.epochs=4", *common)
    (tmp_path / "variants" / "broken.toml").write_text("[training]\nepochz = 4")
    states = {(one["asset"], one["partition"]): one for one in json.loads(say("status", *common, "--json"))}
    broken = states["clip_checkpoint", "broken"]
    assert broken["state"] == "unreadable" and "broken.toml: There is no setting" in broken["why"]
    assert states["clip_checkpoint", "long"]["state"] == "waiting"
    assert "broken" in say("variants", *common)


def test_status_of_one_variant_leaves_the_others_out(tmp_path):
    common = ("--recipe", "tiny", "--data", tmp_path)
    say("variants", "add", "long", "--set", "training.epochs=4", *common)
    whole, of_one = say("status", *common, "--json"), say("status", *common, "--json", "--variant", "long")
    assert f'"sandbox|{TINY.training.model}"' in whole and '"sandbox|long"' in whole
    assert f'"sandbox|{TINY.training.model}"' not in of_one and '"sandbox|long"' in of_one
    assert '"photo_catalog"' in of_one
