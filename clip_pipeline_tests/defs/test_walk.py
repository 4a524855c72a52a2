"""Jobs that walk through several assets in one run: pools, failures, retries, checks."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

dg = pytest.importorskip("dagster")

from dagster._core.errors import DagsterExecutionInterruptedError  # noqa: E402

from clip_pipeline.defs.jobs import evaluate_checkpoint, language_models, refresh_words, run_pipeline  # noqa: E402
from clip_pipeline.defs.resources import launch_resources  # noqa: E402
from clip_pipeline.defs.walk import walk_job  # noqa: E402
from clip_pipeline.errors import DatasetError  # noqa: E402
from clip_pipeline.pipeline.builder import BuildContext, Builder  # noqa: E402
from clip_pipeline.pipeline.graph import STEPS  # noqa: E402
from clip_pipeline.pipeline.step import Step  # noqa: E402
from clip_pipeline.pipeline.workspace import Workspace  # noqa: E402
from clip_pipeline.storage.manifest import Built  # noqa: E402
from clip_pipeline_tests.words.dumps import dump_xml, page_xml  # noqa: E402

POOLS = {"concurrency": {"pools": {"granularity": "op", "default_limit": 1}}}


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def instance_with_pools(tmp_path):
    """The storage in memory knows no pools."""
    (tmp_path / "home").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "home"), overrides=POOLS) as made:
        yield made


@pytest.fixture(autouse=True)
def page(monkeypatch, tmp_path):
    """A page with the tiny recipe and an empty data folder."""
    monkeypatch.setenv("CLIP_PIPELINE_RECIPE", "tiny")
    monkeypatch.setenv("CLIP_PIPELINE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CLIP_PIPELINE_TEST_BROKEN", str(tmp_path / "broken"))


def run(job: str, instance, config=None, retry_of=None):
    """A run of a job as `dagster job execute` makes it."""
    return dg.execute_job(
        dg.build_reconstructable_job(__name__, "find_job", reconstructable_kwargs={"name": job}),
        instance=instance,
        run_config={"ops": {"choose": {"config": config}}} if config else None,
        reexecution_options=retry_of and dg.ReexecutionOptions.from_failure(retry_of.run_id, instance),
        raise_on_error=False,
    )


def find_job(name: str):
    jobs = [
        run_pipeline,
        refresh_words,
        evaluate_checkpoint,
        language_models,
        walk_job("made", "Three assets.", steps=made_steps()),
    ]
    jobs.append(walk_job("sandbox_words", "Words and their photos.", "+photo_catalog"))
    return dg.Definitions(jobs=jobs, resources=launch_resources()).resolve_job_def(name)


def made_steps() -> dict[str, Step]:
    """Datasets of which one fails while a file is there, an asset that reads them all, and one that reads none."""
    import os

    def build(context: BuildContext) -> Built:
        if Path(os.environ["CLIP_PIPELINE_TEST_BROKEN"]).with_name("cancelled").exists():
            raise DagsterExecutionInterruptedError
        if context.partition == "held_out" and Path(os.environ["CLIP_PIPELINE_TEST_BROKEN"]).exists():
            raise DatasetError("The folder holds no photos.")
        (context.folder / "file.txt").write_text(context.partition)
        return Built()

    def datasets(workspace: Workspace, partition: str) -> dict[str, str]:
        return {key: workspace.get("benchmark_dataset", key).content for key in ("held_out", "sandbox")}

    nothing = Builder(lambda workspace: {}, lambda workspace, partition: {}, build)
    return {
        "benchmark_dataset": Step(STEPS["benchmark_dataset"].asset, nothing),
        "caption_corpus": Step(STEPS["caption_corpus"].asset, nothing),
        "embedding_runtime": Step(STEPS["embedding_runtime"].asset, Builder(lambda workspace: {}, datasets, build)),
    }


def events(result, kind: str) -> list:
    return [event for event in result.all_events if event.event_type_value == kind]


def built(result) -> set[str]:
    """Artifacts that the run reported as built."""
    made = [event.step_materialization_data.materialization for event in events(result, "ASSET_MATERIALIZATION")]
    return {f"{one.asset_key.to_user_string()}[{one.partition or ''}]" for one in made}


def failure_of(result) -> str:
    """What the page shows of the one step that failed."""
    (failure,) = events(result, "STEP_FAILURE")
    return failure.step_failure_data.user_failure_data.description


def log_of(instance, result) -> str:
    return "\n".join(entry.user_message for entry in instance.all_logs(result.run_id))


# ---- the graph


def test_every_asset_is_an_op_with_its_pool_after_those_that_it_reads():
    ops = {node.definition.name: node.definition for node in run_pipeline.nodes}
    assert set(ops) == {"choose", *(f"build_{name}" for name in STEPS)}
    for name, step in STEPS.items():
        assert ops[f"build_{name}"].pool == step.asset.pool
        before = run_pipeline.dependencies[dg._core.definitions.dependency.NodeInvocation(f"build_{name}")]["before"]
        found = {dependency.node for dependency in before.get_node_dependencies()}
        assert found == ({f"build_{other}" for other in step.asset.after} or {"choose"})


def test_what_has_no_button_is_started_by_a_job_of_its_own_that_builds_all_of_it():
    from clip_pipeline.defs.jobs import JOBS
    from clip_pipeline.defs.page.described import REQUEST_JOBS

    assert set(REQUEST_JOBS) == {name for name, step in STEPS.items() if step.asset.on_request}
    jobs = {job.name: job for job in JOBS}
    for name in set(REQUEST_JOBS.values()):
        wanted = [asset for asset, job in REQUEST_JOBS.items() if job == name]
        assert {node.definition.name for node in jobs[name].nodes} == {
            "choose",
            *(f"build_{asset}" for asset in wanted),
        }


# ---- partitions


LANGUAGE = {"language.models": "none,fixed@2", "language.seeds": "1", "language.steps": "1", "language.layers": "1,1,1", "language.width": "16",
            "language.batch_size": "1", "language.context": "64"}  # fmt: skip


def test_language_models_are_trained_from_the_page_all_or_the_partitions_that_are_named(
    instance, monkeypatch, tmp_path
):
    text = tmp_path / "letters.txt"
    text.write_text("the cat sat on the mat and the dog ran to the old red house " * 400)
    settings = LANGUAGE | {
        "language.text": str(text),
        "language.characters": "20000",
        "language.scored_characters": "500",
    }
    monkeypatch.setenv("CLIP_PIPELINE_SETTINGS", ";".join(f"{name}={value}" for name, value in settings.items()))
    first = run(
        "language_models", instance, {"partitions": ["fixed@2-0"], "select": "character_corpus,character_model"}
    )
    assert not first.success and "has none of the partitions" in log_of(instance, first), "its corpus is not there"
    whole = run("language_models", instance)
    assert whole.success, [event.message for event in events(whole, "STEP_FAILURE")]
    assert built(whole) == {
        "character_corpus[]", "character_model[none@3-0]", "character_model[fixed@2-0]", "language_scores[]",
    }  # fmt: skip
    one = run("language_models", instance, {"partitions": ["fixed@2-0"], "force": "character_model"})
    assert one.success and built(one) == {"character_model[fixed@2-0]"}
    wrong = run("language_models", instance, {"partitions": ["fixed@3-0"]})
    assert 'has a partition "fixed@3-0". Did you mean "fixed@2-0"?' in failure_of(wrong)


# ---- failures


def test_one_bad_partition_stops_only_what_depends_on_it_and_the_retry_begins_with_it(instance_with_pools, tmp_path):
    instance = instance_with_pools
    (tmp_path / "broken").touch()
    failed = run("made", instance)
    assert not failed.success
    assert built(failed) == {"benchmark_dataset[sandbox]", "caption_corpus[]"}
    assert [event.step_key for event in events(failed, "STEP_FAILURE")] == ["build_benchmark_dataset"]
    assert failure_of(failed) == "benchmark_dataset[held_out]: The folder holds no photos."
    assert "embedding_runtime skipped, since benchmark_dataset[held_out] failed." in log_of(instance, failed)
    pool = instance.event_log_storage.get_concurrency_info("network")
    assert (pool.limit, pool.active_slot_count, pool.pending_step_count) == (1, 0, 0), "no slot is left"

    (tmp_path / "broken").unlink()
    retry = run("made", instance, retry_of=failed)
    assert retry.success
    assert {event.step_key for event in events(retry, "STEP_START")} == {
        "build_benchmark_dataset", "build_embedding_runtime",
    }  # fmt: skip
    assert built(retry) == {"benchmark_dataset[held_out]", "embedding_runtime[tiny_test]"}
    seen = [event.asset_observation_data.asset_observation for event in events(retry, "ASSET_OBSERVATION")]
    assert [(one.partition, one.metadata["Cache"].value) for one in seen] == [("sandbox", "hit")]


def test_a_cancelled_run_stops_at_once_and_leaves_no_slot_of_a_pool(instance_with_pools, tmp_path):
    (tmp_path / "cancelled").touch()
    result = run("made", instance_with_pools)
    assert not result.success and built(result) == set()
    assert {event.step_key for event in events(result, "STEP_START")} == {"choose", "build_benchmark_dataset"}
    pool = instance_with_pools.event_log_storage.get_concurrency_info("network")
    assert (pool.limit, pool.active_slot_count, pool.pending_step_count) == (1, 0, 0)


def test_an_op_waits_for_its_pool_while_those_without_one_go_on(instance_with_pools, tmp_path):
    instance = instance_with_pools
    storage = instance.event_log_storage
    storage.initialize_concurrency_limit_to_default("network")
    assert storage.claim_concurrency_slot("network", "another run", "a crawl").is_claimed
    freed: list[float] = []
    other = tmp_path / "data/text/caption_corpus/manifest.json"

    def free() -> None:
        while not other.exists() and time.time() < deadline:
            time.sleep(0.1)
        freed.append(time.time())
        storage.free_concurrency_slot_for_step("another run", "a crawl")

    deadline = time.time() + 60
    crawl = threading.Thread(target=free)
    crawl.start()
    result = run("made", instance)
    crawl.join()
    assert result.success
    started = {
        entry.dagster_event.step_key: entry.timestamp
        for entry in instance.all_logs(result.run_id, of_type=dg.DagsterEventType.STEP_START)
    }
    assert started["build_caption_corpus"] < freed[0] < started["build_benchmark_dataset"]


def words_of(tmp_path, monkeypatch, *settings: str) -> None:
    dump = tmp_path / "wiki.xml"
    dump.write_text(dump_xml(page_xml("A", "cat tree house river stone")))
    lines = [f"wikipedia.dump={dump}", "wikipedia.parts=1", "compute.workers=1", *settings]
    monkeypatch.setenv("CLIP_PIPELINE_SETTINGS", ";".join(lines))


def test_checks_are_events_and_a_blocking_one_fails_the_run(instance, tmp_path, monkeypatch):
    words_of(tmp_path, monkeypatch, "words.min_count=1000")
    result = run("refresh_words", instance)
    assert not result.success
    evaluated = [event.asset_check_evaluation_data for event in events(result, "ASSET_CHECK_EVALUATION")]
    found, other = sorted(evaluated, key=lambda one: one.check_name)
    assert (other.check_name, other.passed) == ("words_are_of_the_script", True)
    assert (found.check_name, found.passed, found.blocking) == ("vocabulary_holds_words", False, True)
    assert found.target_materialization_data.run_id == result.run_id
    assert "the check vocabulary_holds_words: 0 words were kept" in failure_of(result)


def test_the_launchpad_chooses_assets_and_forces_some(instance, tmp_path, monkeypatch):
    words_of(tmp_path, monkeypatch, "words.min_count=0")
    assert built(run("refresh_words", instance, {"select": "words"})) == {
        "wikipedia_dump[]", "word_counts[part-000]", "vocabulary[]",
    }  # fmt: skip
    again = run("refresh_words", instance, {"select": "vocabulary", "force": "vocabulary"})
    assert built(again) == {"vocabulary[]"}
    (made,) = events(again, "ASSET_MATERIALIZATION")
    assert made.step_materialization_data.materialization.metadata["Cache"].value == "built: asked to"


def test_what_a_job_does_not_build_is_refused_before_anything_is_built(instance):
    result = run("refresh_words", instance, {"select": "vocabulary,clip_checkpoint"})
    assert failure_of(result) == "The job refresh_words does not build clip_checkpoint; run_pipeline does."
    assert [event.step_key for event in events(result, "STEP_START")] == ["choose"]
    unknown = run("refresh_words", instance, {"select": "vocabulry"})
    assert 'Did you mean "vocabulary"' in failure_of(unknown)


def test_a_file_that_cannot_be_read_is_refused_before_anything_is_built(instance, tmp_path, monkeypatch):
    (tmp_path / "list.csv").write_bytes("url,caption\nhttps://example.org/a.jpg,un café\n".encode("latin-1"))
    words_of(tmp_path, monkeypatch, "links.source=url_list", f"links.path={tmp_path / 'list.csv'}")
    result = run("refresh_words", instance)
    assert "list.csv is no UTF-8 text (byte 0xe9" in failure_of(result)
    assert [event.step_key for event in events(result, "STEP_START")] == ["choose"]
    assert not built(result)


@pytest.mark.slow
def test_the_ops_of_a_run_share_a_sandbox_world_which_ends_with_the_run(instance, monkeypatch):
    import clip_pipeline.sandbox.server as server

    worlds: list[server.RunningSandbox] = []
    start = server.start_sandbox

    def started(settings):
        worlds.append(start(settings))
        return worlds[-1]

    monkeypatch.setattr(server, "start_sandbox", started)
    result = run("sandbox_words", instance)
    assert result.success, failure_of(result)
    (world,) = worlds
    assert built(result) >= {"wikipedia_dump[]", "vocabulary[]", "image_links[000]", "photo_catalog[]"}
    assert world.process.poll() is not None
