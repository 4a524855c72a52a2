from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from clip_pipeline.evaluation.provenance import Scored
from clip_pipeline.evaluation.report.figures import draw_training
from clip_pipeline.evaluation.report.writing import write_report
from clip_pipeline.evaluation.retrieval import retrieval_scores
from clip_pipeline.evaluation.zero_shot import LabelTruth, zero_shot_scores
from clip_pipeline.settings import EvaluationSettings, TrainingSettings
from clip_pipeline_tests.evaluation.fakes import write_captions, write_images, write_prompts
from clip_pipeline_tests.made.tiny_model import jpeg

SETTINGS = EvaluationSettings(bootstrap_samples=100)
pytestmark = pytest.mark.slow  # a report with all its figures: three seconds


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scores")
    rng = np.random.default_rng(0)
    classes, labels = np.eye(6), np.arange(24) % 6
    ids = [f"p{row}" for row in range(24)]
    images = write_images(folder / "i", ids, classes[labels] + 0.4 * rng.normal(size=(24, 6)))
    names = ["red <cup>", "blue ball", "key", "car", "tree", "fish"]
    texts = write_prompts(folder / "t", names, classes)
    truth = LabelTruth("things", ids, labels, ["unseen"] * 24, names)
    rows = zero_shot_scores(images, texts, truth, SETTINGS, folder / "zero_shot", Scored("tiny", logit_scale=20.0))
    captions = write_captions(folder / "c", [(one, [f"the caption of {one}"]) for one in ids], rng.normal(size=(24, 6)))
    rows += retrieval_scores(images, captions, "held_out", "test", SETTINGS, folder / "retrieval")
    log = folder / "train_log.csv"
    columns = "step,epoch,train_loss,validation_loss,learning_rate,logit_scale,gradient_norm,pairs_per_second,seconds"
    log.write_text(
        f"{columns}\n0,0,3.4,3.5,0.001,14,1,90,1\n10,1,2.4,,0.0005,15,1,90,2\n20,2,2.0,2.9,0.0001,16,1,90,3\n"
    )

    def read_photos(wanted):
        return {one: jpeg((10 * int(one[1:]), 90, 90), (40, 30)) for one in wanted if one != "p3"}

    return {
        "title": "Words & images",
        "model": "tiny",
        "scores": rows,
        "facts_line": {"model": "tiny, 30,000 parameters"},
        "funnel": {"articles": 120, "words kept": 40, "links": 900, "pairs": 480},
        "photo_statuses": {"success": 230, "not_found": 10},
        "pairs_by_split": {"train": {"photos": 200, "pairs": 400}, "test": 80},
        "training_log": log,
        "training_settings": TrainingSettings(batch_size=32, loss="sigmoid"),
        "zero_shot": {"things": folder / "zero_shot"},
        "retrieval": {"held_out": folder / "retrieval"},
        "read_photos": {"things": read_photos, "held_out": read_photos},
        "timings": {"word_counts": 1.5, "clip_checkpoint": 90.0},
        "machine": "a machine",
        "recipe": '{"seed": 0}',
    }


@pytest.fixture(scope="module")
def report(facts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_report(facts, folder)
    return folder


class Page(HTMLParser):
    """Collects tags that were not closed, sources of images and links."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.tags: list[str] = []
        self.data_tags: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if not any(name == "style" for name, _ in attrs):
            self.data_tags.append(tag)
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_all_files_are_there_and_every_figure_is_an_image(report):
    assert sorted(path.name for path in report.iterdir()) == [
        "clip_benchmark", "clip_benchmark.csv", "figures", "report.html", "report.md", "scores.csv", "scores.json",
    ]  # fmt: skip
    figures = sorted(path.name for path in (report / "figures").iterdir())
    assert figures == [
        "calibration_things_unseen.png", "confusion_things_unseen.png", "funnel.png", "photos_things_unseen.png", "scores.png", "search_held_out.png",
        "timings.png", "training.png",
    ]  # fmt: skip
    for name in figures:
        width, height = Image.open(report / "figures" / name).size
        assert 400 < width < 1600
        assert 150 < height < 2400


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(report):
    page = Page((report / "report.html").read_text())
    assert page.open == []
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert len(page.sources) > 10
    assert all(source.startswith("data:image/") for source in page.sources)


def test_names_are_escaped(report):
    text = (report / "report.html").read_text()
    assert "<cup>" not in text
    assert "red &lt;cup&gt;" in text
    assert "Words &amp; images" in text


HOSTILE = ["<script>alert(1)</script>", "a|b", "`code` *bold* [link](x)", "line\nbreak", "&lt;i&gt;", "'\"><img src=x>"]


def test_hostile_names_captions_and_settings_stay_text_in_both_forms(tmp_path):
    rng = np.random.default_rng(0)
    classes, labels, ids = np.eye(6), np.arange(24) % 6, [f"p{row}" for row in range(24)]
    images = write_images(tmp_path / "i", ids, classes[labels] + 2.0 * rng.normal(size=(24, 6)))
    texts = write_prompts(tmp_path / "t", HOSTILE, classes)
    truth = LabelTruth("<b>set</b>", ids, labels, ["a|b"] * 24, HOSTILE)
    rows = zero_shot_scores(images, texts, truth, SETTINGS, tmp_path / "zero_shot", Scored("tiny"))
    captions = write_captions(
        tmp_path / "c", [(one, [f"{HOSTILE[0]} of {one}"]) for one in ids], rng.normal(size=(24, 6))
    )
    rows += retrieval_scores(images, captions, HOSTILE[5], "test", SETTINGS, tmp_path / "retrieval")
    photos = {one: jpeg((90, 90, 90), (40, 30)) for one in ids}
    facts = {
        "title": HOSTILE[0],
        "scores": rows,
        "facts_line": {"model": HOSTILE[5]},
        "zero_shot": {"<b>set</b>": tmp_path / "zero_shot"},
        "retrieval": {HOSTILE[5]: tmp_path / "retrieval"},
        "read_photos": dict.fromkeys(["<b>set</b>", HOSTILE[5]], lambda wanted: {one: photos[one] for one in wanted}),
        "adaptation": {"curve": tmp_path / "curve.png", "header": ["method"], "cells": [[HOSTILE[0]]]},
        "photo_statuses": {HOSTILE[0]: 1},
        "machine": HOSTILE[0],
        "recipe": '{"title": "```</pre><script>"}',
    }
    Image.new("RGB", (8, 8)).save(tmp_path / "curve.png")
    write_report(facts, tmp_path / "report")
    page = Page((tmp_path / "report" / "report.html").read_text())
    assert page.open == [] and not {"script", "b", "i"} & set(page.data_tags)
    assert all(source.startswith("data:image/") for source in page.sources)
    assert all(any(line in text for text in page.texts) for line in (HOSTILE[0], HOSTILE[2], HOSTILE[5]))
    markdown = (tmp_path / "report" / "report.md").read_text()
    prose, recipe = markdown.split("## Recipe")
    assert not re.search(r"(?<!\\)<", prose)
    assert recipe.strip().startswith("````json") and recipe.strip().endswith("````")
    tables = [line for line in prose.splitlines() if line.startswith("|")]
    score_lines = [line for line in tables if "zero" in line]
    assert score_lines and {len(re.findall(r"(?<!\\)\|", line)) for line in score_lines} == {11}


def test_the_markdown_links_figures_that_exist_and_shows_every_score(report, facts):
    text = (report / "report.md").read_text()
    links = re.findall(r"!\[[^]]+]\(([^)]+)\)", text)
    assert len(links) == 8
    assert all((report / link).is_file() for link in links)
    assert text.count("| zero-shot |") + text.count("| retrieval |") == len(facts["scores"])
    assert "| success | 230 |" in text
    assert "200 photos, 400 pairs" in text


def test_worst_classes_and_calibration_are_shown_on_page_and_in_markdown(report, facts):
    (error,) = [row for row in facts["scores"] if row["metric"] == "ece"]
    for text in ((report / "report.md").read_text(), (report / "report.html").read_text()):
        assert "Worst classes" in text
        assert "taken for" in text
        assert f"in 15 bins of equal width: {100 * error['value']:.1f} %" in text
        assert "sure and" in text


def test_a_model_without_a_logit_scale_has_no_calibration(facts, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(facts["zero_shot"]["things"] / "predictions.parquet")
    column = table.column_names.index("confidence")
    pq.write_table(table.set_column(column, "confidence", pa.nulls(24, pa.float64())), tmp_path / "predictions.parquet")
    write_report({**facts, "zero_shot": {"things": tmp_path}}, tmp_path / "report")
    assert "Calibration" not in (tmp_path / "report" / "report.md").read_text()


def test_scores_json_is_the_flat_list(report, facts):
    assert json.loads((report / "scores.json").read_text()) == facts["scores"]


def test_the_same_facts_give_the_same_bytes(report, facts, tmp_path):
    write_report(facts, tmp_path)
    for path in report.rglob("*"):
        if path.is_file():
            assert (tmp_path / path.relative_to(report)).read_bytes() == path.read_bytes(), path.name


def test_title_and_scores_are_enough(tmp_path):
    write_report({"title": "Little", "scores": []}, tmp_path)
    assert "Little" in (tmp_path / "report.html").read_text()
    assert Page((tmp_path / "report.html").read_text()).open == []


def test_the_level_of_guessing_in_the_training_chart_is_that_of_the_trainings_own_loss(facts, tmp_path):
    sigmoid = facts["training_settings"]
    softmax = dataclasses.replace(sigmoid, loss="softmax")
    for name, settings in (("sigmoid", sigmoid), ("again", sigmoid), ("softmax", softmax)):
        draw_training(facts["training_log"], settings, tmp_path / f"{name}.png")
    drawn = {path.stem: path.read_bytes() for path in tmp_path.iterdir()}
    assert drawn["sigmoid"] == drawn["again"] != drawn["softmax"]
