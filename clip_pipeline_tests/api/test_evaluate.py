from __future__ import annotations

import hashlib
import json

import pytest

from clip_pipeline.api.classify import classify
from clip_pipeline.api.evaluate import evaluate
from clip_pipeline.errors import DatasetError, ModelError, PhotosError, SettingsError
from clip_pipeline.evaluation.comparison.models import compare_scores
from clip_pipeline.evaluation.datasets import Dataset, open_dataset
from clip_pipeline.evaluation.fingerprints import dataset_fingerprint
from clip_pipeline.evaluation.provenance import missing_provenance
from clip_pipeline.evaluation.report.terminal_table import scoreboard
from clip_pipeline.models.identity import model_facts
from clip_pipeline.settings import ComputeSettings, EvaluationSettings, Recipe
from clip_pipeline_tests.evaluation.datasets.forms import write_photos
from clip_pipeline_tests.evaluation.datasets.test_files import benchmark_folder
from clip_pipeline_tests.made.tiny_model import build_tiny_model, jpeg

CPU = ComputeSettings(device="cpu")
RECIPE = Recipe(evaluation=EvaluationSettings(bootstrap_samples=100), compute=CPU)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build_tiny_model(tmp_path_factory.mktemp("model"))


def two_classes(tmp_path):
    """A labelled dataset without its split of a single class."""
    folder = benchmark_folder(tmp_path / "things")
    (folder / "extra" / "0.tar").unlink()
    return folder


def test_a_labelled_dataset_is_scored_by_zero_shot(model, tmp_path):
    folder = two_classes(tmp_path)
    rows = evaluate(model, folder, tmp_path / "out" / "scores.json", recipe=RECIPE)
    assert json.loads((tmp_path / "out" / "scores.json").read_text()) == rows
    assert {(row["task"], row["dataset"], row["split"]) for row in rows} == {("zero_shot", "things", "test")}
    assert rows[0]["n"] == 3


def test_photos_that_cannot_be_decoded_are_counted_in_each_score_and_said(model, tmp_path, caplog):
    folder = write_photos(
        tmp_path / "pets",
        [f"{split}/{one}/{n}.jpg" for split in ("train", "val") for one in ("cat", "dog") for n in range(3)],
    )
    (folder / "train/cat/0.jpg").write_bytes(b"<html>")
    (folder / "train/dog/2.jpg").write_bytes(b"")
    rows = evaluate(model, folder, tmp_path / "scores.json", recipe=RECIPE)
    counts = {(row["split"], row["n"], row["provenance"]["photos_left_out"]) for row in rows}
    assert counts == {("train", 4, 2), ("val", 6, 0)}
    assert (
        'Left out of 12 photos: 2 of "photos that could not be read or decoded, named in images_failures.parquet"'
        in caplog.text
    )
    assert 'such as "train/cat/0: ' in caplog.text
    assert scoreboard(rows).endswith(
        "zero-shot, pets train: 2 photos could not be read or decoded and are in none of these numbers."
    )
    assert "photos_left_out" in (tmp_path / "scores_predictions" / "scores.csv").read_text()


def test_captioned_photos_that_cannot_be_decoded_are_counted_too(model, tmp_path):
    folder = write_photos(tmp_path / "cups", [f"{n}.jpg" for n in range(4)])
    (folder / "3.jpg").write_bytes(b"nothing")
    (folder / "captions.csv").write_text("file,caption\n" + "".join(f"{n}.jpg,cup number {n}\n" for n in range(4)))
    rows = evaluate(model, folder, tmp_path / "scores.json", recipe=RECIPE)
    assert {(row["n"], row["provenance"]["photos_left_out"]) for row in rows} == {(3, 1)}


def test_a_split_of_one_class_is_left_out_before_anything_is_embedded(model, tmp_path, caplog):
    folder = write_photos(tmp_path / "pets", ["train/cat/1.jpg", "train/dog/1.jpg", "val/cat/1.jpg"])
    rows = evaluate(model, folder, tmp_path / "scores.json", recipe=RECIPE)
    assert {(row["split"], row["n"]) for row in rows} == {("train", 2)}
    assert '1 of "photos of the split val, which are of one class only' in caplog.text
    write_photos(tmp_path / "x", ["train/cat/1.jpg", "val/dog/1.jpg"])
    with pytest.raises(DatasetError, match="one class only in each of its splits"):
        evaluate(model, tmp_path / "x", tmp_path / "scores.json", recipe=RECIPE)


def test_every_score_tells_its_origin_and_predictions_lie_beside_the_scores(model, tmp_path):
    folder = two_classes(tmp_path)
    settings = EvaluationSettings(bootstrap_samples=100, templates="own,cifar18", seed=5)
    rows = evaluate(model, folder, tmp_path / "out" / "scores.json", recipe=Recipe(evaluation=settings, compute=CPU))
    assert {row["templates"] for row in rows} == {"own", "cifar18"}
    assert "ece" in {row["metric"] for row in rows}
    for row in rows:
        assert missing_provenance(row) == []
        block = row["provenance"]
        assert block["predictions"] == "scores_predictions/zero_shot/predictions.parquet"
        file = tmp_path / "out" / block["predictions"]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == block["predictions_sha256"]
        assert (block["model"], block["seed"], block["runtime"]) == ("model", 5, "torch_fp32")
        assert block["model_sha256"] == model_facts(str(model))[0]
        assert block["dataset_sha256"] == dataset_fingerprint(open_dataset(folder))
    beside = tmp_path / "out" / "scores_predictions"
    assert len((beside / "scores.csv").read_text().splitlines()) == len(rows) + 1
    assert {path.suffix for path in (beside / "clip_benchmark").iterdir()} == {".json"}
    assert not list((tmp_path / "out").glob(".*"))  # nothing is left of the work


def test_scores_of_one_model_twice_can_be_compared_from_their_files(model, tmp_path):
    folder = two_classes(tmp_path)
    for name in ("a", "b"):
        evaluate(model, folder, tmp_path / f"{name}.json", recipe=RECIPE)
    found = compare_scores(tmp_path / "a.json", tmp_path / "b.json", 200)
    assert found.left_out == []
    assert {one.difference for one in found.differences} == {0.0}


def test_an_unknown_set_of_prompts_is_told_before_anything_is_embedded(model, tmp_path):
    folder = benchmark_folder(tmp_path / "things")
    with pytest.raises(SettingsError, match="cifar18"):
        evaluate(model, folder, tmp_path / "a.json", settings={"evaluation.templates": "cifar"})


def test_captions_are_scored_by_retrieval_each_split_for_itself(model, tmp_path):
    ids = [f"p{row}" for row in range(12)]
    dataset = Dataset(
        "mine", ids, ["a"] * 6 + ["b"] * 6, lambda row: jpeg((row * 20, 0, 99)), captions=[[f"number {i}"] for i in ids]
    )
    rows = evaluate(model, dataset, tmp_path / "scores.json", recipe=RECIPE)
    assert {(row["task"], row["split"], row["n"]) for row in rows} == {("retrieval", "a", 6), ("retrieval", "b", 6)}


def test_an_unknown_dataset_leaves_no_file(model, tmp_path):
    with pytest.raises(DatasetError, match="There is no dataset"):
        evaluate(model, tmp_path / "nowhere", tmp_path / "scores.json", recipe=RECIPE)
    assert not (tmp_path / "scores.json").exists()


def test_labels_are_ranked_with_probabilities_that_sum_to_one(model, tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg((255, 0, 0)))
    (tmp_path / "b.jpg").write_bytes(jpeg((0, 0, 255)))
    results = classify(
        model, [tmp_path / "a.jpg", tmp_path / "b.jpg"], ["a red cup", "a blue ball", "boxes"], device="cpu"
    )
    assert [result.path for result in results] == [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for result in results:
        probabilities = [probability for _, probability in result.ranked]
        assert sum(probabilities) == pytest.approx(1)
        assert probabilities == sorted(probabilities, reverse=True)
        assert {label for label, _ in result.ranked} == {"a red cup", "a blue ball", "boxes"}


def test_probabilities_are_those_of_open_clip(model, tmp_path):
    import torch
    from PIL import Image

    import clip_pipeline

    (tmp_path / "a.jpg").write_bytes(jpeg((255, 0, 0)))
    labels = ["a red cup", "a blue ball"]
    loaded, preprocess, tokenizer = clip_pipeline.load(model)
    with torch.no_grad():
        image = loaded.encode_image(preprocess(Image.open(tmp_path / "a.jpg")).unsqueeze(0), normalize=True)
        texts = loaded.encode_text(tokenizer(labels), normalize=True)
        expected = (loaded.logit_scale.exp() * image @ texts.T).softmax(dim=-1)[0].tolist()
    ranked = dict(classify(model, [tmp_path / "a.jpg"], labels, device="cpu")[0].ranked)
    assert [ranked[label] for label in labels] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("labels", [[], ["a dog"], ["a dog", "a dog"]])
def test_too_few_labels_are_told(model, labels):
    with pytest.raises(DatasetError, match="Give at least two different labels"):
        classify(model, [], labels)


def test_photos_that_cannot_be_read_are_told(model, tmp_path):
    (tmp_path / "a.jpg").write_text("no photo")
    with pytest.raises(PhotosError, match=r"a.jpg cannot be decoded as a photo"):
        classify(model, [tmp_path / "a.jpg"], ["a", "b"], device="cpu")
    with pytest.raises(PhotosError, match=r"b.jpg cannot be read: No such file"):
        classify(model, [tmp_path / "b.jpg"], ["a", "b"], device="cpu")


def test_a_folder_without_a_model_is_told(tmp_path):
    with pytest.raises(ModelError):
        classify(tmp_path, [], ["a", "b"], device="cpu")
