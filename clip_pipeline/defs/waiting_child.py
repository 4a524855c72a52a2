"""A process that builds an artifact once it is told which; until then it loads what it needs.

A training loads torch and open_clip, 7 s of a core. Started while the assets before it are built, it does so beside them.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping

from clip_pipeline.machine.child_process import PROGRAM_ENVIRONMENT, child_environment

CHILD = "clip_pipeline.defs.own_process_child"


class WaitingChild:
    """module: what it runs. messages: what it says, line by line, to its end. descriptor: the number of its end of that pipe."""

    def __init__(self, module: str = CHILD):
        reading, self.descriptor = os.pipe()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, str(os.getpid())],
                env=child_environment({**PROGRAM_ENVIRONMENT, **os.environ}),
                stdin=subprocess.PIPE,
                pass_fds=[self.descriptor],
                start_new_session=True,  # Ctrl-C in the terminal of `dagster dev` reaches it once, from here
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(self.descriptor)
        self.messages = os.fdopen(reading, encoding="utf-8")

    def tell(self, variables: Mapping[str, str]) -> None:
        """Says what to build, by the variables of the environment that Dagster's Pipes hand over."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self.process.stdin as stdin:  # its exit status says why it ended
            stdin.write(json.dumps(variables).encode() + b"\n")

    def close(self) -> None:
        """Ends it where nobody told it anything."""
        self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.messages.close()


class NextChild:
    """At most one such process, for the next step that takes one."""

    def __init__(self) -> None:
        self._waiting: WaitingChild | None = None

    def prepare(self) -> None:
        """Starts it, where it is not there."""
        if self._waiting is None:
            self._waiting = WaitingChild()

    def take(self) -> WaitingChild:
        """The one that waits, or a new one."""
        child, self._waiting = self._waiting or WaitingChild(), None
        return child

    def close(self) -> None:
        """Ends the one that nobody took."""
        if self._waiting is not None:
            self._waiting.close()
            self._waiting = None
