"""The runtime for the photos of a command: measured once for a model and a machine, and remembered."""

from __future__ import annotations

import pytest

from clip_pipeline.embedding.runtimes import onnx_graph
from clip_pipeline.embedding.runtimes.registry import RUNTIMES
from clip_pipeline.evaluation.runtime_choice import built_in_dataset, runtime_for_command, spread, spread_rows
from clip_pipeline.settings import ComputeSettings, EmbeddingSettings, with_settings
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline_tests.made.quick_runtimes import Quick
from clip_pipeline_tests.made.tiny_model import build_tiny_model, jpeg


@pytest.mark.slow
def test_a_command_measures_once_for_a_model(tmp_path):
    model, quick = build_tiny_model(tmp_path), Quick()
    photos = [(f"p{n}", lambda n=n: jpeg((n * 9, 100, 255 - n * 9))) for n in range(25)]
    settings, compute = EmbeddingSettings(runtime="auto", min_photos=10), ComputeSettings(device="cpu")
    first = runtime_for_command(model, photos, 25, settings, compute, tmp_path / "cache", quick.measuring)
    asked = len(quick.asked)
    assert asked == 2
    assert runtime_for_command(model, photos, 25, settings, compute, tmp_path / "cache", quick.measuring) == first
    assert len(quick.asked) == asked
    (other_folder := tmp_path / "other").mkdir()
    runtime_for_command(
        build_tiny_model(other_folder, seed=1), photos, 25, settings, compute, tmp_path / "cache", quick.measuring
    )
    assert len(quick.asked) == 2 * asked
    assert (
        runtime_for_command(model, photos[:5], 5, settings, compute, tmp_path / "cache", quick.measuring)
        == "torch_fp32"
    )


@pytest.mark.slow
def test_a_new_runtime_is_measured_though_a_choice_is_remembered(tmp_path, monkeypatch):
    model, quick = build_tiny_model(tmp_path), Quick()
    photos = [(f"p{n}", lambda n=n: jpeg((n * 9, 100, 255 - n * 9))) for n in range(25)]
    settings, compute = EmbeddingSettings(runtime="auto", min_photos=10), ComputeSettings(device="cpu")
    runtime_for_command(model, photos, 25, settings, compute, tmp_path / "cache", quick.measuring)
    asked = len(quick.asked)
    monkeypatch.setattr(onnx_graph, "EXPORT_VERSION", "another")
    runtime_for_command(model, photos, 25, settings, compute, tmp_path / "cache", quick.measuring)
    assert len(quick.asked) == 2 * asked
    monkeypatch.setitem(RUNTIMES, "new_one", RUNTIMES["torch_bf16"])
    runtime_for_command(model, photos, 25, settings, compute, tmp_path / "cache", quick.measuring)
    assert len(quick.asked) == 3 * asked


@pytest.mark.slow
def test_evaluate_embeds_with_the_runtime_of_the_settings(tmp_path, monkeypatch):
    from clip_pipeline.api import evaluate

    for number in range(6):
        folder = tmp_path / "photos" / ("red" if number % 2 else "blue")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.jpg").write_bytes(jpeg((250 * (number % 2), number * 9, 250 * (1 - number % 2))))
    used = []
    real = evaluate.embed_dataset_images
    monkeypatch.setattr(
        evaluate, "embed_dataset_images", lambda *rest, **named: used.append(real(*rest, **named)["runtime"])
    )
    model = str(build_tiny_model(tmp_path))
    for runtime in ("torch_bf16", "torch_fp32"):
        recipe = with_settings(find_recipe("tiny"), [f"embedding.runtime={runtime}", "compute.device=cpu"])
        evaluate.evaluate(model, tmp_path / "photos", tmp_path / f"{runtime}.json", recipe=recipe)
    assert used == ["torch_bf16", "torch_fp32"]


def test_a_broken_choice_is_not_remembered(tmp_path):
    model = build_tiny_model(tmp_path)

    def interrupted(model, place):
        raise KeyboardInterrupt

    photos, broken = [("p", lambda: jpeg((9, 100, 200)))], Quick(torch_bf16=interrupted)
    settings = EmbeddingSettings(runtime="torch_bf16")
    with pytest.raises(KeyboardInterrupt):
        runtime_for_command(
            model, photos, 1, settings, ComputeSettings(device="cpu"), tmp_path / "cache", broken.measuring
        )
    assert broken.asked == ["torch_fp32", "torch_bf16"]
    assert not list((tmp_path / "cache").rglob("runtime.json"))


def test_the_built_in_dataset_is_labelled_images():
    import io

    from PIL import Image

    digits = built_in_dataset()
    assert digits.task == "zero_shot" and len(digits.ids) == len(digits.truth().labels) == 1797
    assert Image.open(io.BytesIO(digits.read(0))).size == (8, 8)
    assert digits.texts()["text"][3].as_py() == 'a photo of the number: "3".'


def test_rows_are_spread_evenly():
    assert spread_rows(3, 5) == [0, 1, 2]
    assert spread_rows(10, 5) == [0, 2, 4, 6, 8]
    assert len(set(spread_rows(1001, 1000))) == 1000
    letters = [(letter, None) for letter in "abcdefghij"]
    assert [name for name, _ in spread(iter(letters), 10, 5)] == list("acegi")
    assert [name for name, _ in spread(iter(letters), None, 3)] == list("abc")
