from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from clip_pipeline.errors import DatasetError, InputError, ShapeError
from clip_pipeline.evaluation.comparison.figure import draw_comparison
from clip_pipeline.evaluation.comparison.models import compare_scores
from clip_pipeline.evaluation.comparison.text import comparison_text, conclusion
from clip_pipeline.evaluation.provenance import Scored
from clip_pipeline.evaluation.retrieval import retrieval_scores
from clip_pipeline.evaluation.scores import write_scores
from clip_pipeline.evaluation.statistics.paired_tests import mcnemar_exact
from clip_pipeline.evaluation.zero_shot import LabelTruth, zero_shot_scores
from clip_pipeline.settings import EvaluationSettings
from clip_pipeline_tests.evaluation.fakes import write_captions, write_images, write_prompts

SETTINGS = EvaluationSettings(bootstrap_samples=200)
PHOTOS, CLASSES = 300, 8
NAMES = [f"thing {c}" for c in range(CLASSES)]


def classified(folder, name, noise, seed=0, dataset="d" * 64, order=1):
    """Zero-shot scores of a model whose photos lie within some noise of their class; `order` -1 stores them backwards."""
    rng = np.random.default_rng(seed)
    labels = np.arange(PHOTOS) % CLASSES
    vectors = np.eye(CLASSES)[labels] + noise * rng.normal(size=(PHOTOS, CLASSES))
    ids = [f"p{row:03d}" for row in range(PHOTOS)]
    images = write_images(folder / "i", ids[::order], vectors[::order])
    texts = write_prompts(folder / "t", NAMES, np.eye(CLASSES))
    truth = LabelTruth("things", ids, labels, ["test"] * PHOTOS, NAMES)
    zero_shot_scores(images, texts, truth, SETTINGS, folder, Scored(name, "m" * 64, dataset, 10.0))
    return folder


def searched(folder, name, noise, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.random.default_rng(9).normal(size=(60, 12))
    ids = [f"p{row:03d}" for row in range(60)]
    images = write_images(folder / "i", ids, truth)
    captions = [(one, [f"{one} says {k}" for k in range(3)]) for one in ids]
    texts = write_captions(folder / "t", captions, np.repeat(truth, 3, axis=0) + noise * rng.normal(size=(180, 12)))
    retrieval_scores(images, texts, "photos", "test", SETTINGS, folder, Scored(name))
    return folder


def by_metric(comparison):
    return {one.metric: one for one in comparison.differences}


def test_a_clearly_better_model_is_called_better_with_the_numbers_of_an_independent_count(tmp_path):
    good, poor = (
        classified(tmp_path / "good", "good", 0.3),
        classified(tmp_path / "poor", "poor", 0.8, seed=1, order=-1),
    )
    found = compare_scores(good, poor, samples=2000)
    hits = {
        name: dict(zip(table["id"].to_pylist(), table["correct"].to_pylist(), strict=True))
        for name, table in ((one, pq.read_table(tmp_path / one / "predictions.parquet")) for one in ("good", "poor"))
    }
    only_good = sum(hits["good"][one] and not hits["poor"][one] for one in hits["good"])
    only_poor = sum(hits["poor"][one] and not hits["good"][one] for one in hits["good"])
    top1 = by_metric(found)["top1"]
    assert (top1.only_first, top1.only_second, top1.n) == (only_good, only_poor, PHOTOS)
    assert top1.p == mcnemar_exact(only_good, only_poor)
    assert top1.difference == pytest.approx((only_good - only_poor) / PHOTOS, abs=1e-6)
    assert top1.winner == 1
    # the normal approximation of a paired difference of shares
    share = (only_good + only_poor) / PHOTOS
    half = 1.96 * np.sqrt((share - top1.difference**2) / PHOTOS)
    np.testing.assert_allclose([top1.low, top1.high], [top1.difference - half, top1.difference + half], atol=0.012)
    assert {one.metric for one in found.differences} == {"top1", "top5", "mean_per_class_recall", "ece"}
    assert "good is significantly better in" in conclusion(found)
    assert "top-1 accuracy (zero-shot, things test)" in conclusion(found)


@pytest.mark.slow
def test_a_model_does_not_differ_from_itself(tmp_path):
    one = classified(tmp_path / "one", "one", 0.5)
    found = compare_scores(one, one)
    assert [difference.difference for difference in found.differences] == [0.0] * 4
    assert [difference.p for difference in found.differences] == [1.0] * 4
    assert conclusion(found).startswith("No score differs by more than the choice of test samples explains. 4 scores")


def test_paired_intervals_are_narrower_than_those_of_each_model(tmp_path):
    # the same photos with a little more noise: nearly all samples agree, which only pairing sees
    one, other = classified(tmp_path / "a", "a", 0.5), classified(tmp_path / "b", "b", 0.52)
    top1 = by_metric(compare_scores(one, other))["top1"]
    row = json.loads((tmp_path / "a" / "scores.json").read_text())[0]
    assert top1.high - top1.low < 0.6 * (row["high"] - row["low"])


def test_captions_of_one_photo_are_drawn_together(tmp_path):
    good, poor = searched(tmp_path / "good", "good", 0.5), searched(tmp_path / "poor", "poor", 2.5, seed=1)
    found = by_metric(compare_scores(good, poor))
    text_to_image, image_to_text = found["text_to_image_recall@1"], found["image_to_text_recall@1"]
    assert (text_to_image.n, text_to_image.test, text_to_image.only_first) == (180, "paired bootstrap", None)
    assert (image_to_text.n, image_to_text.test) == (60, "McNemar, exact")
    assert text_to_image.winner == image_to_text.winner == 1


def test_less_calibration_error_is_better(tmp_path):
    one, other = classified(tmp_path / "a", "a", 0.5), classified(tmp_path / "b", "b", 0.5)
    table = pq.read_table(other / "predictions.parquet")
    sure = table.set_column(table.column_names.index("confidence"), "confidence", [[1.0] * PHOTOS])
    pq.write_table(sure, other / "predictions.parquet")
    rows = json.loads((other / "scores.json").read_text())
    write_scores(rows, other, Scored("b"), SETTINGS)
    ece = by_metric(compare_scores(one, other))["ece"]
    assert ece.less_is_better
    assert (ece.difference > 0) == (ece.winner == 2)


def test_many_comparisons_are_corrected_for_their_number(tmp_path):
    good, poor = classified(tmp_path / "a", "a", 0.5), classified(tmp_path / "b", "b", 0.7, seed=3)
    found = compare_scores(good, poor)
    assert all(one.p <= one.p_corrected <= 1 for one in found.differences)
    assert max(one.p_corrected / one.p for one in found.differences if one.p_corrected < 1) > 1.5
    assert "4 scores were compared, of which 0.2 would seem significant by chance alone" in conclusion(found)


def test_scores_of_different_photos_are_not_compared(tmp_path):
    one, other = classified(tmp_path / "a", "a", 0.5), classified(tmp_path / "b", "b", 0.5, dataset="e" * 64)
    with pytest.raises(DatasetError, match="scored on different photos, labels or captions"):
        compare_scores(one, other)


def forged(folder, change):
    """The scores with other predictions, and hashes that fit them."""
    table = change(pq.read_table(folder / "predictions.parquet"))
    pq.write_table(table, folder / "predictions.parquet")
    write_scores(json.loads((folder / "scores.json").read_text()), folder, Scored(folder.name), SETTINGS)
    return folder


def test_ids_that_were_permuted_against_the_labels_are_caught(tmp_path):
    one, other = classified(tmp_path / "a", "a", 0.5), classified(tmp_path / "b", "b", 0.5)
    forged(other, lambda table: table.set_column(0, "id", [table["id"].to_pylist()[1:] + table["id"].to_pylist()[:1]]))
    with pytest.raises(ShapeError, match="the sample p000 is 0 for the first model and 3 for the second"):
        compare_scores(one, other)


def test_missing_and_repeated_samples_are_caught(tmp_path):
    one, fewer = classified(tmp_path / "a", "a", 0.5), classified(tmp_path / "b", "b", 0.5)
    forged(fewer, lambda table: table.slice(1))
    with pytest.raises(ShapeError, match="300 samples of the first model and 299 of the second"):
        compare_scores(one, fewer)
    forged(fewer, lambda table: table.take([0, *range(299)]))
    with pytest.raises(ShapeError, match="occurs more than once"):
        compare_scores(one, fewer)


def test_predictions_that_changed_since_the_scores_are_caught(tmp_path):
    one = classified(tmp_path / "a", "a", 0.5)
    table = pq.read_table(one / "predictions.parquet")
    pq.write_table(table.slice(1), one / "predictions.parquet")
    with pytest.raises(InputError, match="is not the file that the scores were made of"):
        compare_scores(one, one)
    (one / "predictions.parquet").unlink()
    with pytest.raises(InputError, match="the predictions behind the scores. Evaluate the model again"):
        compare_scores(one, one)


def test_files_without_a_common_score_and_files_that_are_not_there_are_told(tmp_path):
    one, other = classified(tmp_path / "a", "a", 0.5), searched(tmp_path / "b", "b", 0.5)
    with pytest.raises(InputError, match="have no score in common"):
        compare_scores(one, other)
    with pytest.raises(InputError, match="There is no .*nowhere"):
        compare_scores(one, tmp_path / "nowhere")


@pytest.mark.slow
def test_the_text_the_image_and_the_json_tell_the_same(tmp_path):
    from PIL import Image

    found = compare_scores(classified(tmp_path / "a", "first model", 0.4), classified(tmp_path / "b", "b", 0.7))
    text = comparison_text(found)
    assert text.count("zero-shot, things test") >= 1
    assert "first   first model" in text
    draw_comparison(found, tmp_path / "one.png")
    draw_comparison(found, tmp_path / "two.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert 600 < Image.open(tmp_path / "one.png").width < 1600
    stored = json.loads(json.dumps(found.as_json()))
    assert [one["significant"] for one in stored["differences"]] == [one.significant for one in found.differences]


@pytest.mark.slow
def test_the_command_writes_a_image_and_numbers_and_says_who_is_better(tmp_path):
    from click.testing import CliRunner

    from clip_pipeline.cli.program import commands

    one, other = classified(tmp_path / "a", "small", 0.3), classified(tmp_path / "b", "large", 0.8)
    arguments = ["compare-scores", str(one / "scores.json"), str(other), "-o", str(tmp_path / "out.png")]
    result = CliRunner().invoke(commands, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "small is significantly better in" in result.output
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "out.json").read_text())["first"] == "small"
