"""The command `dev`: the Dagster page, with everything that belongs to it, on one data folder."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from clip_pipeline.cli.options import CONTEXT, data_option, recipe_options
from clip_pipeline.errors import PageError
from clip_pipeline.machine.page_guard import ANY_ADDRESS, LOOPBACK_NAMES, split_host
from clip_pipeline.machine.process_tree import ProcessTree, Program

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_BETWEEN_LINES = 10.0
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = {"DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR": "1"}
"""Backfills wait while the code server is started again; without it each one that the daemon looks at in these seconds fails for good."""


@click.command(context_settings=CONTEXT)
@recipe_options
@data_option
@click.option("--home", default=None, envvar="DAGSTER_HOME", type=click.Path(file_okay=False), help="Folder of Dagster's history, which is that of one data folder. [default: dagster_home; with another --data than data, .dagster in it]")  # fmt: skip
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535), help="Port of the page.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the page. Whoever reaches it can start runs, so it is this machine's own.")  # fmt: skip
@click.option("--allow-host", "allowed", multiple=True, metavar="NAME", help="A name or address that the page is opened by, besides those of loopback and of --host. May be repeated.")  # fmt: skip
@click.option("--root", "roots", multiple=True, envvar="CLIP_PIPELINE_ROOTS", type=click.Path(exists=True, file_okay=False), help="A folder below which files may be named on the page. May be repeated. [default: the data folder and the current folder]")  # fmt: skip
@click.option("--read-only", is_flag=True, help="The page shows everything and changes nothing.")
def dev(
    recipe: str,
    settings: tuple[str, ...],
    data: str,
    home: str | None,
    port: int,
    host: str,
    allowed: tuple[str, ...],
    roots: tuple[str, ...],
    read_only: bool,
) -> None:
    """Open the Dagster page: the graph, its runs, backfills and schedules.

    Starts Dagster's code server, web server and daemon on the recipe and the data folder, and ends them, and the runs that they
    started, at Ctrl-C. Dagster's lines below warnings are left out; runs log on the page. A profile (--recipe FILE.toml) may be changed meanwhile:
    runs that start afterwards go by it, and the page shows what is stale once the code location is reloaded.

    \b
    Examples:
      clip-pipeline dev                                     the sandbox world, on http://127.0.0.1:3000
      clip-pipeline dev --recipe mine.toml --data mydata --port 3001
    """
    from clip_pipeline.defs.home import make_home
    from clip_pipeline.defs.services import dagster_programs
    from clip_pipeline.defs.web_server import ALLOWED_HOSTS
    from clip_pipeline.machine.child_process import child_environment
    from clip_pipeline.pipeline.asset_settings import settings_version
    from clip_pipeline.settings.chosen_recipe import recipe_of
    from clip_pipeline.settings.environment import ROOTS, environment_of, roots_text, starting_settings
    from clip_pipeline.storage.scratch import scratch_folder

    settings = (*starting_settings(), *settings)
    chosen = recipe_of(recipe, settings)
    if importlib.util.find_spec("dagster_webserver") is None:
        raise PageError("The page needs dagster-webserver. Run: pip install clip_pipeline[ui]")
    folder = make_home(home or ("dagster_home" if data == "data" else Path(data) / ".dagster"))
    names = _names(host, allowed)
    of_page = {"DAGSTER_HOME": str(folder), ALLOWED_HOSTS: ",".join(names), ROOTS: roots_text(roots or (data, "."))}
    environment = child_environment(PATIENCE | environment_of(recipe, settings, data) | of_page)
    with _only_page(folder):
        _check_port(host, port, names)
        click.echo(
            f"Recipe {chosen.name}, version {settings_version(chosen)}, artifacts in {Path(data).absolute()}, history in {folder}"
        )
        _mirror(environment)
        with scratch_folder("dev") as scratch:
            shown = (names or LOOPBACK_NAMES)[0] if host in ANY_ADDRESS else host
            shown = f"[{shown}]" if ":" in shown else shown
            _serve(dagster_programs(scratch, host, port, read_only), environment, host, port, shown)


@contextmanager
def _only_page(home: Path) -> Iterator[None]:
    """Two daemons on one history would each start every scheduled run. The lock is the guard's too: it is free when all has ended."""
    from clip_pipeline.storage.lock import exclusive_lock

    if not os.access(home, os.W_OK):
        raise PageError(
            f"{home} cannot be written. Check your right to write there, or give another folder with --home."
        )
    file = home / "dev.lock"
    with exclusive_lock(file, "the page", wait=False) as held:
        if not held:
            owner = file.read_text() if file.exists() else "unknown"
            raise PageError(
                f"Another clip-pipeline dev (process {owner}) runs on the history in {home}. Use its page, end it, or give another "
                "folder with --home or DAGSTER_HOME."
            )
        yield


def _names(host: str, allowed: Sequence[str]) -> list[str]:
    """What the page may be asked by, besides loopback's names. Raises PageError for what is no name."""
    names = []
    for text in (*(() if host in (*ANY_ADDRESS, *LOOPBACK_NAMES) else (host,)), *allowed):
        found = split_host(f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text)
        if found is None or found[1]:
            raise PageError(
                f'"{text}" is no name of a machine. Give it as in a browser, without http:// and port: pc.example'
            )
        names.append(found[0])
    return names


def _check_port(host: str, port: int, names: Sequence[str]) -> None:
    from clip_pipeline.sources.web.local_port import is_free

    try:
        free = is_free(host, port)
    except OSError as error:
        raise PageError(f"The page cannot be at {host}, port {port}: {error.strerror}. Try --host 127.0.0.1") from error
    if not free:
        raise PageError(
            f"Port {port} of {host} is taken by another program. Give another with --port, such as {port + 1}."
        )
    if host not in LOOPBACK_NAMES:
        click.echo(
            f"Whoever reaches {host} over the network can start runs and read the artifacts' previews.", err=True
        )
    if host in ANY_ADDRESS and not names:
        click.echo(
            "Over the network the page answers only to names that it knows: give that of this machine with --allow-host.",
            err=True,
        )


def _mirror(environment: Mapping[str, str]) -> None:
    """Before the page opens Dagster's history is made a mirror of the data folder. Raises PageError with the sentence that it fails with."""
    command = [sys.executable, "-m", "clip_pipeline.defs.mirror.opening_mirror"]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    clock = _Clock(first=2.0)
    said = None
    while said is None:
        try:
            _, said = process.communicate(timeout=SECONDS_BETWEEN_LOOKS)
        except subprocess.TimeoutExpired:
            if clock.is_due():
                click.echo(f"Dagster's history is compared with the data folder, {clock.seconds:.0f} s.")
    if process.returncode:
        raise PageError(said.strip())


def _serve(programs: Sequence[Program], environment: Mapping[str, str], host: str, port: int, shown: str) -> None:
    """Until a signal ends it. shown: the name to open the page by. Raises PageError where Dagster ends by itself."""
    asked: list[int] = []

    def take_note(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    for number in STOPS:
        if (number, signal.getsignal(number)) != (signal.SIGHUP, signal.SIG_IGN):  # as nohup asks
            signal.signal(number, take_note)
    tree = ProcessTree(programs, environment)
    status = _watch(tree, asked, host, port, shown)
    if status is not None:
        raise PageError(f"Dagster ended by itself (exit status {status}). Its lines above say why.")
    tree.ask_to_end()
    click.echo("Ending. Runs are cancelled; a training saves its state first. Ctrl-C again ends all at once.")
    began = _Clock()
    while tree.poll() is None:
        if len(asked) > 1:  # whenever the second came, also while the first was being passed on
            tree.kill()
        if began.is_due():
            click.echo(f"Waiting for Dagster and its runs to end, {began.seconds:.0f} s.")
        time.sleep(SECONDS_BETWEEN_LOOKS)
    click.echo("Ended.")


def _watch(tree: ProcessTree, asked: list[int], host: str, port: int, shown: str) -> int | None:
    """Says when the page answers, and until then what is waited for. The exit status of a tree that ended by itself."""
    from clip_pipeline.sources.web.local_port import answers

    clock, ready = _Clock(first=2.0), False
    while not asked:
        if (status := tree.poll()) is not None:
            return status
        if not ready and answers(host, port):
            ready = True
            click.echo(f"The page is at http://{shown}:{port}, after {clock.seconds:.0f} s. Ctrl-C ends it.")
        elif not ready and clock.is_due():
            click.echo(f"Dagster loads the assets and starts its web server and its daemon, {clock.seconds:.0f} s.")
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return None


class _Clock:
    """Seconds of a wait, and when the next line about it is due."""

    def __init__(self, first: float = SECONDS_BETWEEN_LINES):
        self._began = time.monotonic()
        self._next = first

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def is_due(self) -> bool:
        if self.seconds < self._next:
            return False
        self._next = self.seconds + SECONDS_BETWEEN_LINES
        return True
