from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from clip_pipeline.api.classify import Classified, classify, draw_classified
from clip_pipeline.cli import commands
from clip_pipeline.errors import DatasetError, SettingsError
from clip_pipeline.evaluation.datasets.classes import classes_of
from clip_pipeline_tests.evaluation.datasets.forms import write_photos
from clip_pipeline_tests.made.tiny_model import build_tiny_model, jpeg


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def photo(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg((255, 0, 0)))
    return tmp_path / "a.jpg"


def asked(*arguments: object):
    return CliRunner().invoke(commands, ["classify", *map(str, arguments), "--device", "cpu"])


def test_times_are_told_beside_the_probabilities(model, photo):
    (result,) = classify(model, [photo], ["a cup", "a ball"], device="cpu")
    assert result.prepare_ms > 0 and result.image_ms > 0 and result.text_ms > 0


def test_the_classes_of_a_dataset_are_the_labels(model, photo):
    result = asked(photo, "--dataset", "cifar10", "--model", model, "--top", 3)
    assert result.exit_code == 0, result.exception
    lines = result.stdout.splitlines()
    assert lines[0] == str(photo) and len([line for line in lines if "%" in line]) == 3
    assert "ms to decode and prepare" in lines[4]
    assert lines[-1].startswith("180 prompts took")


@pytest.mark.parametrize(
    ("templates", "prompts"), [("", 2), ("a photo of a {c}", 2), ("cifar18", 36), ("cifar18,imagenet80", 196)]
)
def test_prompts_are_chosen_by_name_or_written_out(model, photo, templates, prompts):
    result = asked(photo, "--labels", "cup, ball", "--templates", templates, "--model", model)
    assert f"{prompts} prompts took" in result.output


def test_prompts_around_a_label_are_averaged(model, photo):
    """The same figures as the labels written out in full give, where there is one prompt."""
    written = dict(classify(model, [photo], ["a photo of a cup", "a photo of a ball"], device="cpu")[0].ranked)
    (filled,) = classify(model, [photo], ["cup", "ball"], templates=["a photo of a {c}"], device="cpu")
    assert dict(filled.ranked)["cup"] == pytest.approx(written["a photo of a cup"], abs=1e-6)


def test_bars_are_drawn_in_proportion(photo, tmp_path):
    draw_classified([Classified(photo, [("cup", 0.9), ("ball", 0.1)], 1, 2, 3)], tmp_path / "bars.png")
    pixels = np.asarray(Image.open(tmp_path / "bars.png").convert("RGB")).astype(int)
    widths = [
        (np.abs(pixels - np.array(colour)).sum(axis=2) < 12).sum(axis=1).max()
        for colour in ((31, 95, 168), (107, 116, 128))
    ]
    assert widths[0] / widths[1] == pytest.approx(9, rel=0.1)


def test_the_figure_is_written_by_the_command(model, photo, tmp_path):
    result = asked(photo, photo, "--labels", "cup, ball", "--model", model, "--figure", tmp_path / "out" / "bars.png")
    assert result.exit_code == 0 and f"Wrote {tmp_path / 'out' / 'bars.png'}" in result.output
    assert (tmp_path / "out" / "bars.png").read_bytes().startswith(b"\x89PNG")


def test_labels_may_have_commas_and_lie_in_a_file(model, photo, tmp_path):
    (tmp_path / "labels.txt").write_text("a cup, empty\na ball\n")
    quoted = asked(photo, "--labels", '"a cup, empty", a ball', "--model", model)
    of_file = asked(photo, "--labels-file", tmp_path / "labels.txt", "--templates", "{}", "--model", model)
    percent = [[line for line in one.stdout.splitlines() if "%" in line] for one in (quoted, of_file)]
    assert percent[0] == percent[1] and any(line.endswith("  a cup, empty") for line in percent[0])


def test_vectors_of_many_prompts_are_encoded_once_for_a_model(model, photo, tmp_path, monkeypatch):
    monkeypatch.setenv("CLIP_PIPELINE_CACHE", str(tmp_path / "cache"))
    arguments = {"labels": [f"cup {n}" for n in range(260)], "templates": ["a {}", "the {}"], "device": "cpu"}
    first, again = (classify(model, photo, **arguments)[0] for _ in range(2))
    assert (first.remembered, again.remembered, first.prompts) == (False, True, 520)
    assert first.ranked == again.ranked
    other = classify(model, photo, **arguments | {"templates": ["a {}", "one {}"]})[0]
    assert not other.remembered and other.ranked != first.ranked
    (tmp_path / "other").mkdir()
    weights = build_tiny_model(tmp_path / "other", seed=3)
    assert not classify(weights, photo, **arguments)[0].remembered
    said = asked(photo, "--dataset", "imagenet", "--templates", "{}", "--model", model).output
    assert "998 prompts took" in said
    said = asked(photo, "--dataset", "imagenet", "--templates", "{}", "--model", model).output
    assert "998 prompts were encoded before and came from the cache" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "Give either labels"),
        (["--labels", "a,b", "--dataset", "cifar10"], "Give either labels"),
        (["--labels", "a,b", "--labels-file", "labels.txt"], "Give either labels"),
        (["--labels", '"a, b'], "cannot be read as CSV"),
        (["--labels", "a, b", "--templates", "cifar8"], 'is no set of that name. Did you mean "cifar18"'),
    ],
)
def test_what_cannot_be_asked_is_told(photo, options, message):
    result = asked(photo, *options, "--model", "none")
    assert isinstance(result.exception, SettingsError) and message in str(result.exception)


def test_classes_are_known_without_photos_where_the_registry_has_them(tmp_path):
    names, templates = classes_of("imagenet")
    assert (len(names), len(templates)) == (998, 80), (
        "ImageNet has two classes called missile and two called sunglasses"
    )
    folder = write_photos(tmp_path / "pets", ["cat/1.jpg", "small_dog/1.jpg"])
    assert classes_of(str(folder))[0] == ["cat", "small dog"]
    with pytest.raises(DatasetError, match="write tiny_imagenet=PATH, or name them with --labels"):
        classes_of("tiny_imagenet")
    for name in ("sandbox", "held_out"):
        with pytest.raises(DatasetError, match="exists within the pipeline only"):
            classes_of(name)
    with pytest.raises(DatasetError, match='There is no dataset "cifar1O".*Did you mean "cifar1'):
        classes_of("cifar1O")
