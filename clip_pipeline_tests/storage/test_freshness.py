"""Why an artifact is not fresh, said of those that an older version made."""

from __future__ import annotations

import pytest

from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.freshness import older_version
from clip_pipeline.storage.manifest import ArtifactKey, Built, Wanted
from clip_pipeline.version import __version__
from clip_pipeline_tests.made.old_version import made_by_0_1

KEY = ArtifactKey("training", "clip_checkpoint", "tiny")


def trained(**config: object) -> Wanted:
    return Wanted("4", config, {"image_text_pairs": "abc"})


@pytest.mark.parametrize(("version", "older"), [("0.1.0", "0.1"), ("0.1.7", "0.1"), (__version__, ""), ("99.0.0", "")])
def test_only_the_first_two_numbers_of_a_version_make_it_older(version, older):
    assert older_version({"version": version}) == older
    assert older_version({}) == "0.1", "manifests name their version since 0.2"


def test_a_new_manifest_names_the_version(tmp_path):
    artifact = Store(tmp_path).materialise(KEY, trained(), lambda folder, work: Built()).artifact
    assert artifact.manifest["version"] == __version__


def test_an_artifact_of_an_older_version_whose_fingerprint_is_wanted_is_fresh(tmp_path):
    store = Store(tmp_path)
    made_by_0_1(store, KEY, trained(epochs=3), {"model": "x"})
    assert store.why_stale(KEY, trained(epochs=3)) == ""


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ({"clip_norm": 1.0}, {"grad_clip_norm": 1.0}, "its setting clip_norm is called grad_clip_norm now"),
        ({"clip_norm": 1.0, "mixing": 0}, {"grad_clip_norm": 1.0, "mixup_alpha": 0},
         "its setting clip_norm is called grad_clip_norm now (and 1 more)"),
        ({"clip_norm": 1.0}, {"grad_clip_norm": 2.0}, "the setting grad_clip_norm changed from 1.0 to 2.0"),
        ({"probe.strengths": 7}, {"probe.inverse_regularizations": 7},
         "its setting probe.strengths is called probe.inverse_regularizations now"),
        ({"training_pictures": "1"}, {"decoded_images": "1"}, "its setting training_pictures is called decoded_images now"),
        ({"epochs": 3}, {"epochs": 4}, "the setting epochs changed from 3 to 4"),
    ],
)  # fmt: skip
def test_a_setting_that_is_called_otherwise_now_is_not_said_to_have_changed(tmp_path, old, new, why):
    store = Store(tmp_path)
    made_by_0_1(store, KEY, trained(**old), {"model": "x"})
    assert store.why_stale(KEY, trained(**new)) == f"made by an older version (0.1): {why}"
