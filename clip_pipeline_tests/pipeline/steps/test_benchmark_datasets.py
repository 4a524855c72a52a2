from __future__ import annotations

import os

import pyarrow.parquet as pq
import pytest

from clip_pipeline.defs.page.metadata import artifact_metadata
from clip_pipeline.display.left_out import left_out_sentences
from clip_pipeline.errors import DatasetError, SettingsError
from clip_pipeline.pipeline.graph import STEPS, select
from clip_pipeline.pipeline.partitions import dataset_names
from clip_pipeline.pipeline.run import run_steps
from clip_pipeline.pipeline.status import pipeline_status
from clip_pipeline.pipeline.steps.benchmark_datasets import stored_dataset
from clip_pipeline.pipeline.steps.report import left_out_of_assets
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import with_settings
from clip_pipeline.settings.recipes import TINY
from clip_pipeline_tests.evaluation.datasets.forms import tar_of, write_photos
from clip_pipeline_tests.made.tiny_model import jpeg


def recipe(datasets: str):
    return with_settings(TINY, [f"evaluation.datasets={datasets}"])


def made(folder, datasets: str, name: str):
    with Workspace(folder, recipe(datasets)) as workspace:
        return STEPS["benchmark_dataset"].materialise(workspace, name)


def names_of(folder, datasets: str) -> list[str]:
    with Workspace(folder, recipe(datasets)) as workspace:
        return dataset_names(workspace)


@pytest.fixture
def pets(tmp_path):
    return write_photos(tmp_path / "pets", ["train/cat/1.jpg", "train/dog/1.jpg", "test/cat/2.jpg", "test/dog/2.jpg"])


def test_names_named_paths_and_paths_are_partitions(pets, tmp_path):
    chosen = f"sandbox,held_out,digits,mine={pets},{tar_of(pets, tmp_path / 'pets.tar')}"
    assert names_of(tmp_path, chosen) == ["digits", "held_out", "mine", "pets", "sandbox"]
    with pytest.raises(SettingsError, match='Two datasets would be called "pets"'):
        names_of(tmp_path, f"{pets},/elsewhere/pets")


def test_the_artifact_lists_the_photos_and_they_are_read_where_they_are(pets, tmp_path):
    artifact = made(tmp_path / "data", f"mine={pets}", "mine").artifact
    assert artifact.rows == {"test": 2, "train": 2}
    assert artifact.facts["where"] == str(pets) and artifact.facts["classes"] == 2
    listed = pq.read_table(artifact.file("photos.parquet")).to_pylist()
    with Workspace(tmp_path / "data", recipe(f"mine={pets}")) as workspace:
        dataset = stored_dataset(workspace, "mine")
        assert dataset_names(workspace) == ["mine"]
    assert [row["id"] for row in listed] == dataset.ids
    assert dataset.read(0) == (pets / "test/cat/2.jpg").read_bytes()


def test_a_folder_that_moves_or_is_touched_is_the_same_content(pets, tmp_path):
    first = made(tmp_path / "data", f"mine={pets}", "mine")
    assert made(tmp_path / "data", f"mine={pets}", "mine").hit
    os.utime(pets / "test/cat/2.jpg", (1, 1))
    touched = made(tmp_path / "data", f"mine={pets}", "mine")
    assert not touched.hit and touched.artifact.content == first.artifact.content
    pets.rename(tmp_path / "moved")
    moved = made(tmp_path / "data", f"mine={tmp_path / 'moved'}", "mine")
    assert moved.artifact.content == first.artifact.content


def test_another_photo_under_the_same_name_is_other_content(pets, tmp_path):
    """What is downstream is made again: its input is the content, not the place."""
    first = made(tmp_path / "data", f"mine={pets}", "mine")
    (pets / "test/cat/2.jpg").write_bytes(jpeg((9, 9, 9)))
    assert made(tmp_path / "data", f"mine={pets}", "mine").artifact.content != first.artifact.content


def test_digits_need_no_file_and_no_photos_of_the_pipeline(tmp_path):
    artifact = made(tmp_path / "data", "digits", "digits").artifact
    assert artifact.rows == {"train": 1347, "test": 450}
    with Workspace(tmp_path / "data", recipe("digits")) as workspace:
        assert stored_dataset(workspace, "digits").templates == ('a photo of the number: "{c}".',)


def test_a_dataset_that_is_not_what_it_is_called_leaves_no_artifact(pets, tmp_path):
    with pytest.raises(DatasetError, match="is no whole CIFAR-10: 8 of its 10 classes have no photo"):
        made(tmp_path / "data", f"cifar10={pets}", "cifar10")
    assert not list((tmp_path / "data").rglob("photos.parquet"))


def test_a_dataset_is_opened_once_a_build(pets, tmp_path):
    chosen = f"mine={pets}"
    made(tmp_path / "data", chosen, "mine")
    with Workspace(tmp_path / "data", recipe(chosen)) as workspace:
        first = stored_dataset(workspace, "mine")
        assert stored_dataset(workspace, "mine") is first
    write_photos(pets, ["test/dog/3.jpg"])
    made(tmp_path / "data", chosen, "mine")
    with Workspace(tmp_path / "data", recipe(chosen)) as workspace:
        assert len(stored_dataset(workspace, "mine").ids) == len(first.ids) + 1


def test_what_a_dataset_leaves_out_is_in_status_in_the_report_and_on_the_page_and_is_said_once(tmp_path, caplog):
    names = ["train/cat/1.jpg", "train/dog/1.jpg", "test/cat/2.jpg", "test/dog/2.jpg", "readme.jpg"]
    pets = write_photos(tmp_path / "pets", names)
    (pets / "train" / "owl").mkdir()
    (pets / "train" / "cat" / "Thumbs.dat").write_bytes(b"x")
    rows = [
        ("file that is no photo", 1, "", "train/cat/Thumbs.dat"),
        ("folders that hold no photos, and are no classes", 1, "", "train/owl"),
        ("photos that lie beside the folders of the splits", 1, "", "readme.jpg"),
    ]
    with Workspace(tmp_path / "data", recipe(f"mine={pets}")) as workspace:
        (outcome,) = run_steps(workspace, select("benchmark_dataset"))
        said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert outcome.left_out == rows
        assert said == [f"Left out of benchmark_dataset: {sentence}" for sentence in left_out_sentences(rows)]
        (found,) = pipeline_status(workspace, select("benchmark_dataset"))
        assert found.left_out == rows
        assert left_out_of_assets(workspace) == [["benchmark_dataset", *row] for row in rows]
        page = artifact_metadata(outcome.partitions["mine"])["Left out"]
        assert [record.data["What"] for record in page.records] == [row[0] for row in rows]
        caplog.clear()
        stored_dataset(workspace, "mine")
        assert "Left out" not in caplog.text, "later steps open it too"
