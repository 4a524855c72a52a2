"""What the page shows of the artifacts of a whole run."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline.defs.page.metadata import artifact_metadata  # noqa: E402
from clip_pipeline.pipeline.graph import STEPS  # noqa: E402
from clip_pipeline.pipeline.previews.preview import MAX_IMAGE_BYTES, MAX_IMAGES_BYTES  # noqa: E402
from clip_pipeline.pipeline.workspace import Workspace  # noqa: E402
from clip_pipeline.settings.recipes import find_recipe  # noqa: E402
from clip_pipeline.storage.artifacts import Materialised  # noqa: E402

WHOLE_RUN = [name for name, step in STEPS.items() if not step.asset.on_request]


@pytest.fixture(scope="module")
def whole_run(tiny_data) -> dict[tuple[str, str], dict]:
    """The metadata of every artifact of the run, by asset and partition."""
    with Workspace(tiny_data, find_recipe("tiny")) as workspace:
        return {
            (asset, key): artifact_metadata(Materialised(workspace.get(asset, key), False, "asked to", 0.1))
            for asset in WHOLE_RUN
            for key in STEPS[asset].partitions(workspace)
        }


def of(whole_run, asset: str, partition: str | None = None) -> dict:
    """The metadata of the first partition, or of one."""
    return next(shown for (name, key), shown in whole_run.items() if name == asset and partition in (None, key))


def images(metadata: dict) -> dict[str, bytes]:
    return {
        name: base64.b64decode(value.value.split("base64,")[1].rstrip(")"))
        for name, value in metadata.items()
        if isinstance(value, dg.MarkdownMetadataValue)
    }


@pytest.mark.parametrize("asset", WHOLE_RUN)
def test_no_two_entries_of_any_partition_have_one_name(whole_run, asset):
    for metadata in (metadata for (name, _), metadata in whole_run.items() if name == asset):
        names = [name.lower() for name in metadata]
        assert len(set(names)) == len(names)
        assert all(name[0].isupper() or "/" in name for name in metadata), list(metadata)


def test_two_entries_of_one_name_and_other_values_are_refused(tiny_data, monkeypatch):
    """As the figure `scores` and the count `scores` of the report once were."""
    with Workspace(tiny_data, find_recipe("tiny")) as workspace:
        artifact = workspace.get("vocabulary")
    clashing = replace(artifact, manifest=artifact.manifest | {"facts": {"words": 7}})
    with pytest.raises(ValueError, match="Two entries of vocabulary are called 'Words'"):
        artifact_metadata(Materialised(clashing, True, "", 0.1))


def test_the_report_has_scores_that_are_drawn_over_runs_a_table_a_figure_a_sheet_of_photos_and_its_path(
    whole_run, tiny_data
):
    metadata = of(whole_run, "benchmark_report")
    with Workspace(tiny_data, find_recipe("tiny")) as workspace:
        rows = json.loads(workspace.get("benchmark_report").file("scores.json").read_text())
    (top1,) = [
        row["value"] for row in rows if (row["task"], row["split"], row["metric"]) == ("zero_shot", "unseen", "top1")
    ]
    number = metadata["Zero-shot top-1 accuracy, sandbox unseen, tiny_test"]
    assert isinstance(number, dg.FloatMetadataValue) and number.value == top1
    assert len([value for value in metadata.values() if isinstance(value, dg.FloatMetadataValue)]) < 20
    assert metadata["dagster/row_count"].value == len(rows)
    table = metadata["Scores at a glance, with 95 % intervals"]
    assert 0 < len(table.records) <= 12, "the rest is in the report"
    assert table.records[0].data["Variant"] == "tiny_test" and "–" in table.records[0].data["Score"]
    assert {"Figure: scores", "Figure: photos sandbox unseen"} <= images(metadata).keys()
    assert metadata["Report"].value.endswith("benchmark_report/report.html")


@pytest.mark.parametrize(
    ("asset", "partition", "name"),
    [
        ("zero_shot_scores", "sandbox|tiny_test", "Top-1 accuracy, unseen"),
        ("retrieval_scores", "held_out|tiny_test", "Text → image recall@1, test"),
        ("probe_scores", "sandbox|tiny_test", "Linear probe top-1 accuracy, unseen"),
    ],
)
def test_scores_have_numbers_and_intervals(whole_run, asset, partition, name):
    metadata = of(whole_run, asset, partition)
    assert 0 <= metadata[name].value <= 1
    table = metadata["Scores with 95 % intervals"]
    assert len(table.records) == metadata["Scores"].value == metadata["dagster/row_count"].value
    floats = [value for value in metadata.values() if isinstance(value, dg.FloatMetadataValue)]
    assert len(floats) == len(table.records) + 2, "each score once, beside size and seconds"


def test_the_adaptation_has_its_curve_as_numbers_and_a_table(whole_run):
    metadata = of(whole_run, "adaptation_curves")
    assert metadata["Top-1 accuracy, linear_probe, all photos"].value > 0
    assert metadata["Learning curve"].records[0].data["Method"] == "zero_shot"


@pytest.mark.parametrize("asset", WHOLE_RUN)
def test_images_are_small_enough_for_the_event_log_and_none_is_left_out_for_its_size(whole_run, asset):
    from PIL import Image

    found = images(of(whole_run, asset))
    assert sum(map(len, found.values())) <= MAX_IMAGES_BYTES
    for content in found.values():
        assert len(content) <= MAX_IMAGE_BYTES
        assert min(Image.open(io.BytesIO(content)).size) >= 150


def test_counts_that_say_the_same_stand_there_once_and_results_come_before_the_place(whole_run):
    names = list(of(whole_run, "image_shards"))
    assert "Count" not in names and "Successes" not in names and "Shard" not in names
    assert names.index("Photos") < names.index("Sample photos") < names.index("Folder")


def test_what_matters_of_a_training_comes_first(whole_run):
    names = list(of(whole_run, "clip_checkpoint"))
    assert names[1:4] == ["Warnings", "Final validation loss", "Best validation loss"]
    assert set(names) >= {"Logit scale", "Settings", "Figure: loss"}


def test_key_facts_are_facts_of_a_whole_run(tiny_data):
    for asset in WHOLE_RUN:
        declared = STEPS[asset].asset
        with Workspace(tiny_data, find_recipe("tiny")) as workspace:
            facts = workspace.get(asset, STEPS[asset].partitions(workspace)[0]).facts
        assert set(declared.key_facts) <= facts.keys(), asset


def test_reasons_are_a_table_the_commonest_first(whole_run):
    left_out = [record.data for record in of(whole_run, "vocabulary")["Left out"].records]
    counts = [row["Number"] for row in left_out]
    assert counts == sorted(counts, reverse=True) and len(counts) > 1
    assert (left_out[0]["What"], left_out[0]["Setting"]) == ("word too_rare", "words.min_count")
    lengths = [int(record.data["Length counts"]) for record in of(whole_run, "bpe_tokenizer")["Length counts"].records]
    assert lengths == sorted(lengths), "numbers in their order"


def test_numbers_by_number_are_shown_of_an_artifact_that_was_just_built(tiny_data):
    """Whose manifest has not been through JSON yet."""
    with Workspace(tiny_data, find_recipe("tiny")) as workspace:
        artifact = workspace.get("caption_corpus")
    fresh = replace(artifact, manifest=artifact.manifest | {"facts": {"photos by fraction": {100.0: 144, 50.0: 72}}})
    table = artifact_metadata(Materialised(fresh, False, "asked to", 0.1))["Photos by fraction"]
    assert [record.data["Photos by fraction"] for record in table.records] == ["50.0", "100.0"]
