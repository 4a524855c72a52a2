"""Variants side by side: tables, marks, tests; with one variant nothing is said of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from clip_pipeline.evaluation.provenance import Scored
from clip_pipeline.evaluation.report.content import report_content
from clip_pipeline.evaluation.report.rendering import markdown_text, page_text
from clip_pipeline.evaluation.report.variants import VariantScores, terminal_text, variants_chapter
from clip_pipeline.evaluation.report.variants_figure import draw_variants
from clip_pipeline.evaluation.zero_shot import LabelTruth, zero_shot_scores
from clip_pipeline.settings import EvaluationSettings
from clip_pipeline_tests.evaluation.fakes import write_images, write_prompts

SETTINGS = EvaluationSettings(bootstrap_samples=100)
PHOTOS, CLASSES = 240, 6
NAMES = [f"thing {number}" for number in range(CLASSES)]


def variant(folder, name: str, noise: float, changed=(), dataset: str = "d" * 64) -> VariantScores:
    """Scores of a model whose photos lie within some noise of their class."""
    labels = np.arange(PHOTOS) % CLASSES
    vectors = np.eye(CLASSES)[labels] + noise * np.random.default_rng(1).normal(size=(PHOTOS, CLASSES))
    ids = [f"p{row:03d}" for row in range(PHOTOS)]
    images = write_images(folder / name / "i", ids, vectors)
    texts = write_prompts(folder / name / "t", NAMES, np.eye(CLASSES))
    truth = LabelTruth("things", ids, labels, ["test"] * PHOTOS, NAMES)
    scored = Scored(name, "m" * 64, dataset, 10.0)
    rows = zero_shot_scores(images, texts, truth, SETTINGS, folder / name, scored)
    return VariantScores(name, dict(changed), [(row, folder / name) for row in rows])


@pytest.fixture(scope="module")
def three(tmp_path_factory) -> list[VariantScores]:
    folder = tmp_path_factory.mktemp("variants")
    return [
        variant(folder, "own", 0.5),
        variant(folder, "bad<er>", 1.5, [("epochs", 1.0)]),
        variant(folder, "like", 0.5, [("seed", 1)]),
    ]


def test_one_table_has_a_column_a_variant_and_marks_what_is_more_than_chance(three):
    chapter = variants_chapter(three)
    assert chapter.at_a_glance.header == ("what", "metric", "own", "bad<er>", "like")
    for cells in chapter.at_a_glance.rows:
        assert "↓" in cells[3] and "↓" not in cells[2] + cells[4] and "↑" not in "".join(cells)
    assert {row[0]: row[-1] for row in chapter.tests.rows} == {"bad<er>": "worse", "like": "may be chance"}
    assert len(chapter.scores.rows) == len(three[0].rows)
    assert chapter.conclusions[1].startswith("like against own. No score differs")


def test_all_comparisons_share_one_correction(three):
    alone, together = variants_chapter(three[:2]), variants_chapter(three)
    first, both = alone.comparisons[0].differences, together.comparisons[0].differences
    assert [one.p for one in first] == [one.p for one in both]
    assert all(one.p_corrected < two.p_corrected for one, two in zip(first, both, strict=True))


def test_scores_on_other_photos_are_not_compared_but_named(three, tmp_path):
    other = variant(tmp_path, "other", 0.5, dataset="e" * 64)
    chapter = variants_chapter([three[0], other])
    assert chapter.tests.rows == []
    assert (
        "other: zero-shot, things test: top-1 accuracy: the two models were scored on different photos"
        in chapter.left_out[0]
    )


def test_both_forms_of_the_report_show_it_and_neither_where_there_is_one_variant(three, tmp_path):
    facts = {"title": "Words", "scores": three[0].rows}
    shown = report_content(
        facts | {"not_scored": ["long, on all datasets: <nothing>."]}, {}, [], variants_chapter(three)
    )
    text, page = markdown_text(shown), page_text(shown, tmp_path)
    assert "## Training variants" in text and r"- bad\<er\>: epochs=1.0" in text and "### Not scored" in text
    assert "bad&lt;er&gt;" in page and "<nothing>" not in page and "Training variants" in page
    plain = report_content(facts, {}, [])
    for form in (markdown_text(plain), page_text(plain, tmp_path)):
        assert "variant" not in form.split("</style>")[-1] and "Not scored" not in form


def test_a_terminal_shows_at_most_five_variants_and_what_differs(three):
    names = [f"v{number}" for number in range(7)]
    comparison = json.loads(json.dumps(variants_chapter(three).as_json()))
    text = terminal_text(dict.fromkeys(names, three[0].rows), comparison)
    assert "v4" in text and "v5" not in text and "2 more variants are in the report." in text
    assert "bad<er>: differs from own by more than chance in top-1 accuracy -" in text
    assert "like: no headline score differs from own's by more than chance, on the same photos." in text


@pytest.mark.slow
def test_the_figure_has_a_point_for_each_and_the_same_bytes_again(three, tmp_path):
    for name in ("one.png", "two.png"):
        draw_variants(three, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    draw_variants(three[:2], tmp_path / "fewer.png")
    assert (tmp_path / "fewer.png").read_bytes() != (tmp_path / "one.png").read_bytes()
