"""`clip-pipeline dev` up to Dagster: what is refused before anything starts, and what Dagster is started with.

`browser/test_page.py` starts and ends it whole.
"""

from __future__ import annotations

import _thread
import faulthandler
import os
import re
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from clip_pipeline.cli import commands, dev
from clip_pipeline.defs.home import CONFIGURATION
from clip_pipeline.errors import PageError, SettingsError
from clip_pipeline.storage.lock import exclusive_lock

pytestmark = pytest.mark.signals


class FakeTree:
    """Dagster as `dev` sees it. ends: the exit status that it has from the start. made: all of them."""

    ends: int | None = None
    made: list[FakeTree]

    def __init__(self, programs, environment):
        self.programs, self.environment, self.status, self.killed = programs, environment, self.ends, False
        self.made.append(self)

    def poll(self):
        return self.status

    def ask_to_end(self):
        self.status = 0

    def kill(self):
        self.killed = True


@pytest.fixture
def tree(monkeypatch, tmp_path):
    """Class of the fake; the signals' handlers are put back at the end."""
    handlers = {number: signal.getsignal(number) for number in dev.STOPS}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dev, "ProcessTree", FakeTree)
    monkeypatch.setattr(dev, "SECONDS_BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr(sys, "executable", str(_program(tmp_path, "true")))  # instead of the mirror
    monkeypatch.setattr(FakeTree, "made", [], raising=False)
    yield FakeTree
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _program(folder: Path, line: str) -> Path:
    program = folder / "program"
    program.write_text(f"#!/bin/sh\n{line}\n")
    program.chmod(0o755)
    return program


def run(*arguments: str):
    """Runs the command until it ends by itself, or with an error, which is raised."""
    return CliRunner().invoke(commands, ["dev", *arguments], catch_exceptions=False, standalone_mode=False)


def run_and_stop(tree, *arguments: str, when=None):
    """Runs the command and sends it SIGTERM once `when()`, which is when one more Dagster was started."""
    before = len(tree.made)
    stopper = threading.Thread(target=_stop, args=(when or (lambda: len(tree.made) > before),))
    stopper.start()
    result = run(*arguments)
    stopper.join()
    return result


def _stop(ready) -> None:
    """A signal that the command does not take yet would end all tests with this one: then it says where it is, and gives up."""
    deadline = time.monotonic() + 120
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.01)
    if callable(signal.getsignal(signal.SIGTERM)):
        os.kill(os.getpid(), signal.SIGTERM)
    else:
        faulthandler.dump_traceback()
        _thread.interrupt_main()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_dagster_is_started_with_the_recipe_the_folder_and_a_home_with_our_configuration(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("CLIP_PIPELINE_SETTINGS", "words.min_count=30")
    profile = tmp_path / "mine.toml"
    profile.write_text('recipe = "tiny"\n')
    port = free_port()
    result = run_and_stop(tree, "--recipe", "mine.toml", "--set", "words.min_length=3", "--port", str(port))
    (made,) = tree.made
    assert made.environment["CLIP_PIPELINE_RECIPE"] == str(profile)
    assert made.environment["CLIP_PIPELINE_SETTINGS"] == "words.min_count=30;words.min_length=3"
    assert made.environment["CLIP_PIPELINE_DATA"] == str(tmp_path / "data")
    home = tmp_path / "dagster_home"
    assert made.environment["DAGSTER_HOME"] == str(home) and dev.PATIENCE.items() <= made.environment.items()
    assert (home / "dagster.yaml").read_text() == CONFIGURATION.read_text()
    code, page, daemon = made.programs
    assert code.after is None and page.after == daemon.after == Path(code.command[code.command.index("--socket") + 1])
    assert " ".join(page.command).endswith(f"--host 127.0.0.1 --port {port} --dagster-log-level warning")
    assert daemon.command[2:4] == ["dagster._daemon", "run"]
    assert not page.after.parent.exists(), "the folder of the socket is gone with the page"
    assert re.search(r"Recipe mine, version [0-9a-f]{8}, ", result.output)
    assert f"artifacts in {tmp_path / 'data'}, history in {home}" in result.output
    assert result.output.endswith("Ended.\n")


def test_another_data_folder_has_a_history_of_its_own_unless_one_is_named(tree, tmp_path, monkeypatch):
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    port = str(free_port())
    run_and_stop(tree, "--recipe", "tiny", "--data", "other", "--port", port)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "named"))
    run_and_stop(tree, "--recipe", "tiny", "--data", "other", "--port", port)
    homes = [made.environment["DAGSTER_HOME"] for made in tree.made]
    assert homes == [str(tmp_path / "other" / ".dagster"), str(tmp_path / "named")]
    assert "pools" not in (tmp_path / "named" / "dagster.yaml").read_text(), "the user's own is left as it is"


def test_below_nohup_the_page_outlives_its_terminal(tree):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    result = run_and_stop(tree, "--recipe", "tiny", "--port", str(free_port()))
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert result.output.endswith("Ended.\n"), "SIGTERM ends it all the same"


def test_a_second_page_on_one_history_is_refused_and_named(tree, tmp_path):
    sentence = rf"Another clip-pipeline dev \(process {os.getpid()}.*\) runs on the history"
    lock = exclusive_lock(tmp_path / "dagster_home" / "dev.lock", "the page")
    with lock, pytest.raises(PageError, match=sentence):
        run("--recipe", "tiny")
    assert tree.made == []


def test_a_taken_port_and_an_address_of_another_machine_are_refused(tree):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PageError, match=rf"Port {port} of 127.0.0.1 is taken .* --port, such as {port + 1}"):
            run("--recipe", "tiny", "--port", str(port))
    with pytest.raises(PageError, match="The page cannot be at 192.0.2.1"):
        run("--recipe", "tiny", "--host", "192.0.2.1")
    assert tree.made == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--recipe", "tyny"), 'Did you mean "tiny"'),
        (("--recipe", "none.toml"), "none.toml cannot be read"),
        (("--recipe", "tiny", "--set", "words.min_cuont=3"), 'Did you mean "words.min_count"'),
        (("--recipe", "tiny", "--set", "links.path=a;b"), 'holds a ";".* Write it into a profile'),
    ],
)
def test_a_wrong_recipe_is_a_sentence_before_anything_starts(tree, tmp_path, arguments, sentence):
    with pytest.raises(SettingsError, match=sentence):
        run(*arguments)
    assert tree.made == [] and not (tmp_path / "dagster_home" / "dev.lock").exists()


def test_a_history_that_cannot_be_made_a_mirror_is_a_sentence_and_nothing_is_started(tree, tmp_path):
    _program(tmp_path, "echo 'This history is of another folder.' >&2; exit 1")
    with pytest.raises(PageError, match=r"^This history is of another folder\.$"):
        run("--recipe", "tiny", "--port", str(free_port()))
    assert tree.made == []


def test_dagster_that_ends_by_itself_is_an_error_with_its_status(tree, monkeypatch):
    monkeypatch.setattr(tree, "ends", 3)
    with pytest.raises(PageError, match=r"Dagster ended by itself \(exit status 3\)"):
        run("--recipe", "tiny", "--port", str(free_port()))


def test_the_address_is_said_once_the_page_answers_and_a_second_signal_kills(tree, monkeypatch):
    port = free_port()

    class Slow(FakeTree):
        def __init__(self, programs, environment):
            super().__init__(programs, environment)
            self.server = socket.create_server(("127.0.0.1", port))

        def ask_to_end(self):
            os.kill(os.getpid(), signal.SIGINT)

        def kill(self):
            self.killed, self.status = True, 1

    monkeypatch.setattr(dev, "ProcessTree", Slow)

    def page_was_asked() -> bool:
        return bool(Slow.made) and bool(Slow.made[0].server.accept())

    result = run_and_stop(tree, "--recipe", "tiny", "--port", str(port), when=page_was_asked)
    assert f"The page is at http://127.0.0.1:{port}" in result.output
    assert "Ctrl-C again ends all at once" in result.output
    assert Slow.made[0].killed
    Slow.made[0].server.close()


def test_the_page_is_told_its_names_and_roots_and_whether_it_may_change_anything(tree, tmp_path):
    (tmp_path / "photos").mkdir()
    port = str(free_port())
    more = ("--allow-host", "PC.example", "--allow-host", "fe80::1", "--root", "photos", "--read-only")
    run_and_stop(tree, "--port", port, *more)
    run_and_stop(tree, "--port", port)
    told, plain = tree.made
    assert told.environment["CLIP_PIPELINE_ALLOWED_HOSTS"] == "pc.example,fe80::1"
    assert told.environment["CLIP_PIPELINE_ROOTS"] == str(tmp_path / "photos")
    assert told.programs[1].command[-1] == "--read-only" and "clip_pipeline.defs.web_server" in told.programs[1].command
    assert plain.environment["CLIP_PIPELINE_ALLOWED_HOSTS"] == ""
    assert plain.environment["CLIP_PIPELINE_ROOTS"] == f"{tmp_path / 'data'}:{tmp_path}"
    assert "--read-only" not in plain.programs[1].command


@pytest.mark.parametrize("name", ["http://pc.example", "pc.example:3000", "pc example", "a/b", ""])
def test_a_name_that_is_none_is_refused(tree, name):
    with pytest.raises(PageError, match="is no name of a machine"):
        run("--allow-host", name)
    assert tree.made == []
