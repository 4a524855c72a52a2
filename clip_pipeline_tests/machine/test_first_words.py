"""What a command says first: what it is doing, on stderr, where it takes longer than about a second."""

from __future__ import annotations

import threading

import click
import pytest
from click.testing import CliRunner

from clip_pipeline.cli import commands
from clip_pipeline.machine import first_words
from clip_pipeline.machine.first_words import says, shown_names


@pytest.fixture(autouse=True)
def _said_soon(monkeypatch):
    monkeypatch.setattr(first_words, "SECONDS_BEFORE_FIRST_WORDS", 0.0)


def command_of(words, until_said: threading.Event):
    @click.command()
    @click.argument("dump")
    @says(words)
    def command(dump: str) -> None:
        until_said.wait(5)
        click.echo("[]")

    return command


@pytest.fixture
def said(monkeypatch):
    """Set once a line was written."""
    from clip_pipeline.machine import progress

    event, write = threading.Event(), progress._write_line
    monkeypatch.setattr(progress, "_write_line", lambda line: (write(line), event.set()))
    return event


@pytest.mark.parametrize("words", ["Counting {dump}", lambda dump: f"Counting {dump}"])
def test_a_command_says_on_stderr_what_it_does_with_what(said, words):
    result = CliRunner().invoke(command_of(words, said), ["{odd} wiki.xml"])
    assert (result.stdout, result.stderr) == ("[]\n", "Counting {odd} wiki.xml …\n")


def test_of_the_processes_of_a_training_only_the_first_speaks(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    done = threading.Event()
    done.set()
    assert CliRunner().invoke(command_of("Training on {dump}", done), ["photos"]).stderr == ""


def test_a_command_that_is_done_at_once_says_nothing(monkeypatch):
    monkeypatch.setattr(first_words, "SECONDS_BEFORE_FIRST_WORDS", 60.0)
    done = threading.Event()
    done.set()
    assert CliRunner().invoke(command_of("Counting {dump}", done), ["wiki.xml"]).stderr == ""


def test_a_command_that_loads_torch_speaks_before_anything_else(monkeypatch):
    """While its libraries are loaded no other thread runs: a line that is due then comes late."""
    monkeypatch.setattr(first_words, "SECONDS_BEFORE_FIRST_WORDS", 60.0)

    @click.command()
    @click.argument("model")
    @says("Asking {model}", at_once=True)
    def ask(model: str) -> None:
        raise click.UsageError(f"There is no {model}.")

    result = CliRunner().invoke(ask, ["clip"])
    assert result.stderr.startswith("Asking clip …\n") and "There is no clip." in result.stderr


def test_many_files_are_named_by_the_first_three():
    assert shown_names(["dumps/a.bz2", "b.bz2", "c.bz2", "d.bz2", "e.bz2"]) == "a.bz2, b.bz2, c.bz2 and 2 more"


def _each_command(group: click.Group, names=()):
    for name, command in group.commands.items():
        yield (*names, name), command
        if isinstance(command, click.Group):
            yield from _each_command(command, (*names, name))


SPEAK_FOR_THEMSELVES = {("sandbox",), ("dev",)}
"""A group that does nothing itself, and the page, which prints its address and the way there."""


@pytest.mark.parametrize(
    "command", [pytest.param(one, id=" ".join(names)) for names, one in _each_command(commands) if names not in SPEAK_FOR_THEMSELVES]
)  # fmt: skip
def test_every_command_has_first_words_of_parameters_that_it_has(command):
    named = {parameter.name: "x" for parameter in command.params}
    for parameter in command.params:
        if parameter.nargs == -1:
            named[parameter.name] = ("x",)
    words = command.callback.first_words
    line = words(**named)
    assert line[0].isupper() and " " in line and not line.endswith(".")
