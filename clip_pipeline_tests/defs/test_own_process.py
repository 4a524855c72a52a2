"""Artifacts that Dagster builds in processes of their own: the same bytes, and an end that leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline.defs.own_process import OwnProcessStep, in_own_process  # noqa: E402
from clip_pipeline.defs.waiting_child import NextChild, WaitingChild  # noqa: E402
from clip_pipeline.errors import BuildProcessError, DumpError  # noqa: E402
from clip_pipeline.pipeline.graph import STEPS  # noqa: E402
from clip_pipeline.pipeline.workspace import Workspace  # noqa: E402
from clip_pipeline.settings import with_settings  # noqa: E402
from clip_pipeline.settings.recipes import find_recipe  # noqa: E402
from clip_pipeline.storage.lock import exclusive_lock  # noqa: E402
from clip_pipeline_tests.defs.fake_child import ERROR, STEP  # noqa: E402

pytestmark = pytest.mark.signals

CHILD = "clip_pipeline_tests.defs.fake_child"
RECIPE = with_settings(find_recipe("tiny"), ["words.min_count=7"])


class Run:
    """One run of Dagster in this process that materialises one artifact. outcome: or error. log: the run's lines. shown: so far."""

    def __init__(self, step, data: Path, recipe, partition: str, force: bool = False):
        self.outcome, self.error, self.log, self.shown = None, None, [], []

        @dg.asset(name=step.name)
        def body(context) -> dg.MaterializeResult:
            with Workspace(data, recipe) as workspace:
                made = (
                    in_own_process(step, context)
                    if step is not STEP
                    else OwnProcessStep(step.asset, step.builder, context, partial(WaitingChild, CHILD))
                )
                try:
                    self.outcome = made.materialise(
                        workspace, partition, force, True, lambda *shown: self.shown.append(shown)
                    )
                except Exception as error:
                    self.error = error
                    raise
            return dg.MaterializeResult()

        with dg.DagsterInstance.ephemeral() as instance:
            self.success = dg.materialize([body], instance=instance, raise_on_error=False).success
            run = next(iter(instance.get_run_records())).dagster_run
            self.log = [entry.user_message for entry in instance.all_logs(run.run_id)]


def wait_for(found: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def work_file(data: Path, name: str) -> Path | None:
    return next(data.glob(f".work/**/{name}"), None)


def is_running(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return "zombie" not in Path(f"/proc/{pid}/status").read_text() if Path("/proc").exists() else True
    return False


def is_free(data: Path) -> bool:
    with exclusive_lock(next(data.glob(".locks/**/*.lock")), "", wait=False) as locked:
        return locked


@contextlib.contextmanager
def interrupted_when(ready: Callable[[], object]) -> Iterator[None]:
    """SIGINT for this process, as a cancelled run sends it, once `ready()`."""

    def send() -> None:
        wait_for(ready, 300)
        os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=send)
    sender.start()
    yield
    sender.join()


def test_the_artifact_and_what_the_process_says_arrive_here(tmp_path, capfd):
    run = Run(STEP, tmp_path, RECIPE, "calm")
    assert run.success, run.log
    assert not run.outcome.hit and run.outcome.reason == "never materialised"
    assert (run.outcome.artifact.folder / "counts.txt").read_text() == "calm"
    said = "\n".join(run.log)
    assert f"Counting with {RECIPE.words} words at least" in said, "its settings are those of this recipe"
    assert "this is old" in said
    assert "a line for stderr" in capfd.readouterr().err


def test_a_fresh_artifact_starts_no_process(tmp_path, monkeypatch):
    with Workspace(tmp_path, RECIPE) as workspace:
        STEP.materialise(workspace, "calm")
    monkeypatch.setattr(subprocess, "Popen", None)
    assert Run(STEP, tmp_path, RECIPE, "calm").outcome.hit
    assert "NoneType" in str(Run(STEP, tmp_path, RECIPE, "calm", force=True).error)


def test_what_there_is_so_far_is_shown_while_it_runs(tmp_path):
    run = Run(STEP, tmp_path, RECIPE, "watched")
    assert run.shown == [("word_counts", "watched", {"loss": 0.5}, b"not really a figure" * 10_000)]


def test_an_error_of_the_process_is_one_sentence_of_its_own_class(tmp_path):
    run = Run(STEP, tmp_path, RECIPE, "error")
    assert type(run.error) is DumpError and str(run.error) == str(ERROR)
    assert run.error.remedy == ERROR.remedy, "the page says it in its own words"
    assert not any("Traceback" in line or "closed with exception" in line for line in run.log)
    assert is_free(tmp_path)


def test_an_unexpected_error_leaves_its_traceback_in_the_log(tmp_path, capfd):
    run = Run(STEP, tmp_path, RECIPE, "crash")
    assert isinstance(run.error, BuildProcessError) and "exit status 1" in str(run.error)
    assert any("closed with exception" in line for line in run.log)
    assert "nobody thought of this" in capfd.readouterr().err


def test_a_killed_process_is_an_error_that_names_memory(tmp_path):
    run = Run(STEP, tmp_path, RECIPE, "killed")
    assert isinstance(run.error, BuildProcessError)
    assert str(run.error).startswith("The process that builds word_counts[killed] was killed, most often because")
    assert is_free(tmp_path)


def test_cancelling_lets_the_process_save_and_the_next_run_goes_on(tmp_path):
    with interrupted_when(lambda: work_file(tmp_path, "pid.txt")):
        run = Run(STEP, tmp_path, RECIPE, "long")
    assert not run.success and run.outcome is None
    pid = int(work_file(tmp_path, "pid.txt").read_text())
    assert not is_running(pid) and is_free(tmp_path)
    assert work_file(tmp_path, "reached.txt"), "what it had was saved"
    assert "What is there is saved" in run.log, "its last words arrive"
    assert not any("closed" in line for line in run.log), "nothing is said of an end without order"
    assert Run(STEP, tmp_path, RECIPE, "long").success


PARENT = """
import sys
from pathlib import Path
from clip_pipeline_tests.defs.test_own_process import RECIPE, STEP, Run
Run(STEP, Path(sys.argv[1]), RECIPE, "long")
"""


def test_kill_9_takes_the_process_along_and_frees_the_lock(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)])
    wait_for(lambda: work_file(tmp_path, "pid.txt"))
    pid = int(work_file(tmp_path, "pid.txt").read_text())
    assert is_running(pid) and not is_free(tmp_path)
    parent.kill()
    parent.wait()
    wait_for(lambda: not is_running(pid), 20)  # half a second on a quiet machine
    assert is_free(tmp_path)


def test_a_process_that_waits_is_taken_once_and_one_that_nobody_takes_is_ended():
    next_child = NextChild()
    next_child.prepare()
    next_child.prepare()
    first, second = next_child.take(), next_child.take()
    assert first.process.pid != second.process.pid
    for child in (first, second):
        child.close()
    next_child.prepare()
    waiting = next_child._waiting
    next_child.close()
    assert waiting.process.returncode == -signal.SIGKILL
    next_child.close()


def test_a_process_ends_by_itself_when_it_is_told_nothing():
    child = WaitingChild(CHILD)
    child.process.stdin.close()
    assert child.process.wait(60) == 0
    child.close()


WAITING = """
import time
from clip_pipeline.defs.waiting_child import WaitingChild
print(WaitingChild("clip_pipeline_tests.defs.fake_child").process.pid, flush=True)
time.sleep(60)
"""


def test_kill_9_takes_a_process_along_that_still_waits():
    parent = subprocess.Popen([sys.executable, "-c", WAITING], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    assert is_running(pid)
    parent.kill()
    parent.communicate()
    wait_for(lambda: not is_running(pid), 30)


@pytest.mark.slow
def test_a_cancelled_training_ends_with_the_bytes_of_one_in_this_process(tiny_data, tmp_path):
    """Stopped in the middle in a process of its own, finished in another one, and trained at one go without them."""
    recipe = with_settings(find_recipe("tiny"), ["training.epochs=8", "compute.threads=1"])
    data, calm = (
        Path(shutil.copytree(tiny_data, tmp_path / name, copy_function=shutil.copy2)) for name in ("data", "calm")
    )
    with interrupted_when(lambda: work_file(data, "train_log.csv")):
        run = Run(STEPS["clip_checkpoint"], data, recipe, "tiny_test")
    assert any("its state is saved" in line for line in run.log), run.log
    assert work_file(data, "state.pt") and is_free(data)
    run = Run(STEPS["clip_checkpoint"], data, recipe, "tiny_test")
    assert any("Going on at step" in line for line in run.log), run.log
    with Workspace(calm, recipe) as workspace:
        expected = STEPS["clip_checkpoint"].materialise(workspace, "tiny_test").artifact
    assert run.outcome.artifact.content == expected.content
