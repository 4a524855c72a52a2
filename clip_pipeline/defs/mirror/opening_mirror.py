"""A process that makes Dagster's history a mirror of the data folder before the page opens, so that its first button knows every partition.

`python -m clip_pipeline.defs.mirror.opening_mirror`, with the environment of the page: a process of its own, since Dagster and what it loads
would stay with the one that watches the page for days.
"""

from __future__ import annotations

import contextlib
import io
import sys

import dagster as dg

from clip_pipeline.defs.mirror.history import History
from clip_pipeline.defs.resources import page_workspace
from clip_pipeline.errors import ClipPipelineError
from clip_pipeline.pipeline.graph import STEPS


def main() -> None:
    """Exits with an error's sentence, such as that of a history that is another data folder's."""
    # Dagster announces its beta features on stderr; the person at the terminal did not ask for them.
    with contextlib.redirect_stderr(io.StringIO()), dg.DagsterInstance.get() as instance:
        try:
            with page_workspace() as workspace:
                History(instance, workspace).mirror(STEPS.values())
        except ClipPipelineError as error:
            sentence = str(error)
        else:
            return
    sys.exit(sentence)


if __name__ == "__main__":
    main()
