"""Errors on the page name partitions and pages; the same errors at a terminal name commands."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

dg = pytest.importorskip("dagster")

import clip_pipeline  # noqa: E402
from clip_pipeline.cli.sentences import terminal_sentence  # noqa: E402
from clip_pipeline.defs.page.sentences import page_failure, page_sentence  # noqa: E402
from clip_pipeline.errors import (  # noqa: E402  # noqa: E402
    AnotherDataFolder,
    ClipPipelineError,
    Command,
    DiskError,
    Materialise,
    MissingArtifactError,
    RunFailedError,
)
from clip_pipeline.storage.artifacts import Store  # noqa: E402
from clip_pipeline.storage.manifest import ArtifactKey  # noqa: E402

PACKAGE = Path(clip_pipeline.__file__).parent


def missing(tmp_path) -> MissingArtifactError:
    with pytest.raises(MissingArtifactError) as caught:
        Store(tmp_path).get(ArtifactKey("training", "clip_checkpoint", "sandbox_small"))
    return caught.value


def test_a_missing_artifact_is_a_page_with_its_partition_here_and_a_command_there(tmp_path):
    error = missing(tmp_path)
    found = f"clip_checkpoint[sandbox_small] is needed and was never materialised in {tmp_path}."
    assert page_sentence(error) == (
        f"{found} First, materialize clip_checkpoint, partition sandbox_small, on its page in the catalog. "
        "Or launch the job run_pipeline, which builds whatever is missing."
    )
    assert terminal_sentence(error) == f"{found} Run: clip-pipeline run --select +clip_checkpoint"
    assert str(error) == f"{found} Materialise clip_checkpoint[sandbox_small] first.", "right in a notebook too"


def test_the_failure_on_the_page_links_to_the_asset_that_mends_it(tmp_path):
    failure = page_failure(missing(tmp_path), allow_retries=False)
    assert failure.metadata["Asset to materialize"].value == dg.AssetKey("clip_checkpoint")
    assert failure.metadata["Partition"].value == "sandbox_small"
    assert not failure.allow_retries


@pytest.mark.parametrize(
    ("remedy", "page", "terminal"),
    [
        (
            Materialise("embedding_runtime", "tiny", again=True),
            "To build it again, materialize embedding_runtime, partition tiny, with force in its launchpad.",
            "Run: clip-pipeline run --select embedding_runtime --force",
        ),
        (
            Materialise("vocabulary", alone=True),
            "First, materialize vocabulary on its page in the catalog.",
            "Run: clip-pipeline run --select vocabulary",
        ),
        (
            AnotherDataFolder("Free some space"),
            "Free some space, or start the page on another data folder (CLIP_PIPELINE_DATA).",
            "Free some space, or choose another folder with --data.",
        ),
        (
            Command("Download it", "clip-pipeline datasets download pets FOLDER."),
            "Download it in a terminal with: clip-pipeline datasets download pets FOLDER.",
            "Download it with: clip-pipeline datasets download pets FOLDER.",
        ),
    ],
)
def test_each_remedy_is_said_in_the_words_of_where_it_is_read(remedy, page, terminal):
    error = DiskError("Found.", remedy)
    assert page_sentence(error) == f"Found. {page}"
    assert terminal_sentence(error) == f"Found. {terminal}"


def test_the_failures_of_a_whole_run_are_in_the_words_of_the_page_with_a_link_each(tmp_path):
    failed = RunFailedError(
        {"image_embeddings[sandbox|sandbox_small]": missing(tmp_path), "vocabulary, the check x": "No."}
    )
    failure = page_failure(failed)
    assert "materialize clip_checkpoint, partition sandbox_small, on its page" in failure.description
    assert "clip-pipeline run" not in failure.description
    links = {name: link.value.to_user_string() for name, link in failure.metadata.items()}
    assert links == {
        "image_embeddings[sandbox|sandbox_small]": "image_embeddings",
        "vocabulary, the check x": "vocabulary",
    }


def test_an_error_without_a_remedy_is_said_as_it_stands():
    error = ClipPipelineError("Found this, expected that.")
    assert page_sentence(error) == terminal_sentence(error) == str(error) == "Found this, expected that."
    assert not page_failure(error).metadata


def test_an_error_comes_whole_out_of_another_process(tmp_path):
    import pickle

    error = missing(tmp_path)
    back = pickle.loads(pickle.dumps(error))
    assert (str(back), back.found, back.remedy) == (str(error), error.found, error.remedy)


def test_no_error_of_a_step_holds_a_command_line_of_its_own():
    """`clip-pipeline run` stands only where a terminal reads it: in cli/, and in the take-down, which is a command."""
    readers = {"cli", "api", "sandbox"}
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        relative = path.relative_to(PACKAGE)
        if relative.parts[0] in readers or relative.as_posix() in ("pipeline/takedown.py", "errors.py"):
            continue
        for raised in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Raise)):
            texts = [one.value for one in ast.walk(raised) if isinstance(one, ast.Constant)]
            found += [f"{relative}: {text}" for text in texts if isinstance(text, str) and "clip-pipeline run" in text]
    assert not found


UNDIVIDED = ["vocabulary", "photo_catalog", "image_text_pairs", "caption_corpus", "bpe_tokenizer", "benchmark_report"]


@pytest.mark.parametrize("asset", UNDIVIDED)
def test_no_message_of_an_asset_run_that_fails_tells_to_type_a_command(asset, tmp_path, monkeypatch):
    """On an empty data folder, as a user meets it who starts in the middle of the graph."""
    monkeypatch.setenv("CLIP_PIPELINE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CLIP_PIPELINE_RECIPE", "tiny")
    from clip_pipeline.defs.asset import pipeline_asset
    from clip_pipeline.defs.resources import launch_resources
    from clip_pipeline.pipeline.graph import STEPS

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [pipeline_asset(STEPS[asset])], instance=instance, resources=launch_resources(), raise_on_error=False
        )
        entries = instance.all_logs(result.run_id)
    assert not result.success
    texts = [entry.message + str(entry.dagster_event) for entry in entries]
    assert any("First, materialize " in text and " on its page in the catalog" in text for text in texts)
    assert not [text for text in texts if "clip-pipeline run" in text or "--select" in text]
