"""What the package logs during a step is in the run's log on the page."""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time

import pytest

dg = pytest.importorskip("dagster")

from clip_pipeline.defs.page.run_log import package_lines_in  # noqa: E402
from clip_pipeline.machine.progress import waiting  # noqa: E402
from clip_pipeline.storage.artifacts import Store  # noqa: E402
from clip_pipeline.storage.lock import exclusive_lock  # noqa: E402
from clip_pipeline.storage.manifest import ArtifactKey, Built, Wanted  # noqa: E402

KEY = ArtifactKey("words", "vocabulary")


def hold_the_lock(root, held, go_on) -> None:
    """Another process that builds the vocabulary until it may go on."""
    with exclusive_lock(root / ".locks" / "words" / "vocabulary.lock", "vocabulary"):
        held.set()
        go_on.wait(60)


def run_of(body) -> list[tuple[int, str]]:
    """(level, line) of every line in the log of a run whose one asset does `body(context)`."""

    @dg.asset
    def vocabulary(context) -> None:
        body(context)

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([vocabulary], instance=instance)
        entries = instance.all_logs(result.run_id)
    return [(entry.level, entry.user_message) for entry in entries if not entry.is_dagster_event]


def test_waiting_for_the_lock_of_another_process_is_a_line_of_the_run(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    held, go_on = spawn.Event(), spawn.Event()
    other = spawn.Process(target=hold_the_lock, args=(tmp_path, held, go_on))
    other.start()

    class GoOnWhenSaid(logging.Handler):
        """The other process is done once the line is there: no clock decides."""

        def emit(self, record: logging.LogRecord) -> None:
            go_on.set()

    def body(context) -> None:
        assert held.wait(60)
        with package_lines_in(context.log):
            waiting = GoOnWhenSaid()
            logging.getLogger("clip_pipeline.storage.lock").addHandler(waiting)
            try:
                Store(tmp_path).materialise(KEY, Wanted("1", {}, {}), lambda folder, work: Built())
            finally:
                logging.getLogger("clip_pipeline.storage.lock").removeHandler(waiting)

    try:
        lines = run_of(body)
    finally:
        go_on.set()
        other.join(60)
    waited = [line for level, line in lines if level == logging.WARNING]
    assert waited[0].startswith(f"Another run (process {other.pid} on ")
    assert waited[0].endswith("is writing vocabulary; waiting until it is done.")
    assert any(text.startswith("It is done with vocabulary, after ") for _, text in lines)
    assert (logging.INFO, "Building vocabulary: never materialised") in lines


def test_long_work_without_units_is_a_line_of_the_run_while_it_goes_on():
    """Compiling the word scanner takes a minute; on stderr alone the page would say nothing."""

    def body(context) -> None:
        with package_lines_in(context.log):
            with waiting("Compiling the word scanner", after=0.05):
                time.sleep(0.5)
            logging.getLogger("clip_pipeline.words").info("compiled")

    assert [line for _, line in run_of(body)] == ["Compiling the word scanner …", "compiled"]


def test_lines_of_threads_are_there_and_debug_and_later_lines_are_not():
    logger = logging.getLogger("clip_pipeline.words.count")

    def body(context) -> None:
        with package_lines_in(context.log):
            thread = threading.Thread(target=logger.warning, args=("%d pages were left out", 3))
            thread.start()
            thread.join()
            logger.debug("too small to be shown")
            logging.getLogger("urllib3").warning("another package's")
        logger.warning("after the step")

    lines = run_of(body)
    assert lines == [(logging.WARNING, "3 pages were left out")]


def test_the_level_that_the_user_asked_for_is_there_again_afterwards():
    logger = logging.getLogger("clip_pipeline")
    before, handlers = logger.level, list(logger.handlers)
    logger.setLevel(logging.ERROR)
    try:
        with package_lines_in(logging.getLogger("elsewhere")):
            assert logger.getEffectiveLevel() == logging.INFO
        assert logger.level == logging.ERROR and logger.handlers == handlers
    finally:
        logger.setLevel(before)
