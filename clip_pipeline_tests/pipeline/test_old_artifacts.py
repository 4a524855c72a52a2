"""A data folder of 0.1: what fits is used, the rest is named and never misread."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from clip_pipeline.cli import commands
from clip_pipeline.cli.sentences import terminal_sentence
from clip_pipeline.errors import OldArtifactError, RunFailedError, SettingsError
from clip_pipeline.pipeline.graph import select
from clip_pipeline.pipeline.old_artifacts import old_artifacts
from clip_pipeline.pipeline.stages import artifact_key, find_asset
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings.recipes import find_recipe
from clip_pipeline.storage.manifest import ArtifactKey, Wanted
from clip_pipeline.storage.tables import read_table
from clip_pipeline_tests.made.old_version import made_by_0_1


@pytest.fixture
def data(tmp_path):
    """A dump in one part, its counts with the column that 0.1 called pictured, and decoded photos under their old name."""
    with Workspace(tmp_path / "data", find_recipe("tiny")) as workspace:
        store = workspace.store
        version = find_asset("wikipedia_dump").code_version
        made_by_0_1(store, artifact_key("wikipedia_dump"), Wanted(version, {}, {}), {"parts/part-000.json": "{}"})
        counts = pa.table({"word": ["cup"], "count": [3], "documents": [2], "capitalised": [0], "pictured": [1]})
        file = io.BytesIO()
        pq.write_table(counts, file)
        made_by_0_1(
            store, artifact_key("word_counts", "part-000"), Wanted("3", {}, {}), {"counts.parquet": file.getvalue()}
        )
        key = ArtifactKey("training", "training_pictures", "16px_squash")
        made_by_0_1(store, key, Wanted("1", {}, {}), {"pictures.npy": "x"})
    return tmp_path / "data"


def test_an_input_in_the_form_of_before_is_not_read_and_one_in_todays_form_is(data):
    with Workspace(data, find_recipe("tiny")) as workspace:
        assert workspace.get("wikipedia_dump").manifest["files"]
        with pytest.raises(OldArtifactError, match=r"word_counts\[part-000\] was made by an older version \(0\.1\)"):
            workspace.get("word_counts", "part-000")


def test_status_names_what_an_older_version_made(data):
    shown = CliRunner().invoke(commands, ["status", "--recipe", "tiny", "--data", str(data)]).output
    lines = {line.split()[1]: line for line in shown.splitlines()}
    assert "part-000: made by an older version (0.1): its code changed" in lines["word_counts"]
    assert "waiting" in lines["vocabulary"]
    assert "word_counts[part-000] was made by an older version (0.1) in another form" in lines["vocabulary"]
    assert "1 old" in lines["training_pictures"]
    assert (
        "training_pictures was renamed decoded_images in 0.2. Nothing reads it any more" in lines["training_pictures"]
    )


def test_run_names_it_too_and_does_not_build_on_it(data, caplog):
    arguments = ["run", "--recipe", "tiny", "--data", str(data), "--select", "vocabulary", "--no-history"]
    result = CliRunner().invoke(commands, arguments)
    assert "training_pictures[16px_squash]: made by an older version (0.1)" in caplog.text
    assert isinstance(result.exception, RunFailedError)
    assert isinstance(result.exception.failures["vocabulary"], OldArtifactError)
    assert "Run: clip-pipeline run --select +word_counts" in terminal_sentence(result.exception)


def test_the_old_name_of_an_asset_is_answered_with_the_new_one(data):
    for ask in (select, find_asset, lambda name: read_table(name, data)):
        with pytest.raises(
            (SettingsError, OldArtifactError), match="training_pictures was renamed decoded_images in 0.2"
        ):
            ask("training_pictures")


def test_a_table_of_an_older_version_is_read_with_a_warning(data, caplog):
    assert "pictured" in read_table("word_counts", data).columns
    assert "word_counts[part-000] was made by an older version (0.1)" in caplog.text


def test_a_folder_of_today_holds_nothing_old(tmp_path):
    with Workspace(tmp_path, find_recipe("tiny")) as workspace:
        assert old_artifacts(workspace.store) == []


def test_an_adaptation_without_a_variant_in_its_key_is_named_and_never_read(tmp_path):
    with Workspace(tmp_path, find_recipe("tiny")) as workspace:
        for asset, partition in (("adaptation_data", ""), ("adaptation_scores", "full|050"), ("adaptation_curves", "")):
            made_by_0_1(workspace.store, artifact_key(asset, partition), Wanted("1", {}, {}), {"table.csv": "x"})
        made_by_0_1(workspace.store, artifact_key("adaptation_data", "tiny_test"), Wanted("1", {}, {}), {"a": "x"})
        found = {str(artifact.key): sentence for artifact, sentence in old_artifacts(workspace.store)}
    assert list(found) == ["adaptation_data", "adaptation_scores[full|050]", "adaptation_curves"]
    folder = tmp_path / "adaptation" / "adaptation_data"
    assert f"remove the files, not the folders, in {folder}" in found["adaptation_data"]
    assert found["adaptation_scores[full|050]"].endswith(f"remove {tmp_path}/adaptation/adaptation_scores/full/050")
