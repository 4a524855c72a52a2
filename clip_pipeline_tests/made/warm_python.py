"""Python programs in processes of their own that begin at once: copies (fork) of a process that has loaded torch already.

Starting Python and loading torch and open_clip takes two to three seconds of a core, more than what most such programs then do
(2026-11-30). The process that is copied starts no thread and runs nothing of the package's but the declarations that torchvision
needs, so a copy is what `python -m clip_pipeline` would be after its imports. Where the imports themselves, the environment of
the start (OMP_NUM_THREADS) or the limits of memory matter, a test starts Python itself.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

MODULES = ("numba", "numpy", "open_clip", "pandas", "PIL.Image", "pyarrow.parquet", "tokenizers", "transformers")
MESSAGE_BYTES = 1 << 20


class WarmProcess:
    """One program that was started by `start_python`. pid: its process."""

    def __init__(self, pid: int):
        self.pid, self.returncode = pid, None

    def poll(self) -> int | None:
        """Its exit status, -signal where one ended it, None while it runs."""
        if self.returncode is None:
            self.returncode = _server().ask({"wait": self.pid})
        return self.returncode

    def wait(self, timeout: float = 600) -> int:
        """Waits for its end. A program that has not ended after `timeout` seconds is killed, and the test fails."""
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                raise TimeoutError(f"The program {self.pid} had not ended after {timeout:g} s.")
            time.sleep(0.02)
        return self.returncode

    def send(self, number: int) -> None:
        """Sends it a signal, where it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9, where it still runs."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)


def start_python(
    arguments: Sequence[object],
    stdout: IO | int = subprocess.DEVNULL,
    stderr: IO | int = subprocess.DEVNULL,
    env: Mapping[str, str] | None = None,
) -> WarmProcess:
    """Like `subprocess.Popen([sys.executable, *arguments])`, whose arguments begin with -c or -m."""
    asked = {
        "start": [str(word) for word in arguments],
        "env": dict(os.environ if env is None else env),
        "cwd": str(Path.cwd()),
    }
    with open(os.devnull, "r+b") as nowhere:  # noqa: PTH123
        files = [nowhere.fileno() if file == subprocess.DEVNULL else file.fileno() for file in (stdout, stderr)]
        return WarmProcess(_server().ask(asked, files))


def run_python(
    arguments: Sequence[object], env: Mapping[str, str] | None = None, timeout: float = 600
) -> subprocess.CompletedProcess[str]:
    """Like `subprocess.run([sys.executable, *arguments], capture_output=True, text=True)`."""
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        process = start_python(arguments, stdout, stderr, env)
        process.wait(timeout)
        said = []
        for file in (stdout, stderr):
            file.seek(0)
            said.append(file.read())
    return subprocess.CompletedProcess([sys.executable, *map(str, arguments)], process.returncode, *said)


class _Server:
    """The process that is copied, seen from the tests."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        command = [sys.executable, "-m", __name__, str(theirs.fileno())]
        root = os.pathsep.join(filter(None, sys.path))
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=os.environ | {"PYTHONPATH": root})
        theirs.close()

    def ask(self, question: dict[str, Any], files: Sequence[int] = ()) -> Any:
        with self._lock:
            socket.send_fds(self._channel, [json.dumps(question).encode()], files)
            answer = self._channel.recv(MESSAGE_BYTES)
        if not answer:
            raise RuntimeError(f"The process that is copied ended with status {self._process.wait()}.")
        return json.loads(answer)


@functools.cache
def _server() -> _Server:
    """One for each process that runs tests; it ends when its channel does."""
    return _Server()


def _serve(channel: socket.socket) -> None:
    import torch  # noqa: F401 - here it takes its seconds without a word

    from clip_pipeline.models.torchvision_operators import define_missing_operators

    define_missing_operators()
    for module in MODULES:
        with contextlib.suppress(ImportError):  # not installed: then no program can need it either
            __import__(module)
    while True:
        question, files, _, _ = socket.recv_fds(channel, MESSAGE_BYTES, 2)
        if not question:
            return
        asked = json.loads(question)
        if "wait" in asked:
            ended, status = os.waitpid(asked["wait"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if ended else None
        else:
            answer = os.fork()
            if answer == 0:
                channel.close()
                _become(asked, files)
            for file in files:
                os.close(file)
        channel.send(json.dumps(answer).encode())


def _become(asked: dict[str, Any], files: list[int]) -> None:
    """Runs the program as Python does, from its environment to its exit status."""
    status = 1
    try:
        for file, number in zip(files, (1, 2), strict=True):
            os.dup2(file, number)
            os.close(file)
        os.environ.clear()
        os.environ.update(asked["env"])
        os.chdir(asked["cwd"])
        kind, program, *words = asked["start"]
        sys.argv = [kind, *words]
        if kind == "-m":
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            exec(compile(program, "<string>", "exec"), main.__dict__)
        status = 0
    except SystemExit as leaving:
        if isinstance(leaving.code, str):
            sys.stderr.write(f"{leaving.code}\n")
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
