"""What every test may use."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

from clip_pipeline_tests.made.chance import TEST_SEED
from clip_pipeline_tests.made.installed_wheel import installed_wheel, run_tiny_recipe
from clip_pipeline_tests.made.once import made_once
from clip_pipeline_tests.made.tiny_model import build_tiny_model

hypothesis.settings.register_profile("any machine", deadline=None)  # a test that waits for a busy one is not wrong
hypothesis.settings.load_profile("any machine")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # workers that share the cores are faster with a thread each


def pytest_configure(config: pytest.Config) -> None:
    """Hypothesis draws with the seed of all other tests; SIGINT is heard, also in a shell's background job, which ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("hypothesis_seed") is None:
        config.option.hypothesis_seed = str(TEST_SEED)


def pytest_terminal_summary(terminalreporter) -> None:
    """Says which seed was used."""
    terminalreporter.write_line(f"Drawn by chance with seed {TEST_SEED}; CLIP_PIPELINE_TEST_SEED=1 draws anew.")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error) -> None:
    """xdist says only that a worker has ended; by which signal, or with which status, tells whether a test, a library or the machine did it."""
    if error:
        status = node.gateway._io.popen.wait()
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        sys.stderr.write(f"\nThe worker {node.gateway.id} ended: {how}.\n")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need a whole run of the pipeline are slow, as those marked so are; workers begin with the slow files."""
    for item in items:
        if _needs_tiny_run(item):
            item.add_marker("slow")
    if "PYTEST_XDIST_WORKER" in os.environ:
        _order_by_file(items)


def _needs_tiny_run(item: pytest.Item) -> bool:
    # training/conftest.py has a tiny_data of its own, which is made in a moment
    return "tiny_data" in getattr(item, "fixturenames", ()) and "training" not in item.path.parts


def _order_by_file(items: list[pytest.Item]) -> None:
    """Long files first, so that none is left for one worker at the end; while the first worker makes the tiny run, the others have
    files that do not wait for it. The order within a file stays.
    """
    waiting = dict.fromkeys(item.path for item in items if _needs_tiny_run(item))
    slow = dict.fromkeys(item.path for item in items if item.get_closest_marker("slow"))
    order = [*list(waiting)[:1], *(path for path in slow if path not in waiting), *waiting]
    rank = {path: place for place, path in reversed(list(enumerate(order)))}
    items.sort(key=lambda item: rank.get(item.path, len(order)))


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, tmp_path_factory):
    """Tests see neither the settings nor the history nor the cache of the person who runs them."""
    monkeypatch.setenv("CLIP_PIPELINE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    for name in ("CLIP_PIPELINE_RECIPE", "CLIP_PIPELINE_SETTINGS", "CLIP_PIPELINE_DATA", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """`shared_data("wikipedia/gensim")` is the real file or folder; the test skips where it is absent."""

    def find(name: str) -> Path:
        path = SHARED_DATA / name
        if not path.exists():
            pytest.skip(f"real data {name} is not beside this checkout (../shared/data)")
        return path

    return find


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory, request) -> Path:
    """The data folder of one whole run of the tiny recipe, made once: by the installed wheel where its test is run too, which
    needs such a run, else by the checkout. Tests read it and change nothing in it."""

    def make(folder: Path) -> None:
        if any(item.path.name == "test_wheel.py" for item in request.session.items):
            run_tiny_recipe(installed_wheel(tmp_path_factory), folder)
        else:
            _run_tiny_recipe(folder / "data")

    return made_once(tmp_path_factory, "tiny", make) / "data"


def _run_tiny_recipe(folder: Path) -> None:
    from clip_pipeline.pipeline.graph import select
    from clip_pipeline.pipeline.run import run_steps
    from clip_pipeline.pipeline.workspace import Workspace
    from clip_pipeline.settings.recipes import find_recipe

    with Workspace(folder, find_recipe("tiny")) as workspace:
        run_steps(workspace, select(""))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """A model folder with random weights, made once. Tests read it and change nothing in it."""
    return made_once(tmp_path_factory, "tiny-model", build_tiny_model) / "model"
