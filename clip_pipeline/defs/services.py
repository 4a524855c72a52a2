"""The three programs of Dagster that make the page: code server, web server, daemon.

`dagster dev` starts the same three and stays beside them with 125 MB; the daemon and the web server of one that is killed go on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from clip_pipeline.machine.process_tree import Program

LOCATION = "clip_pipeline"
MODULE = "clip_pipeline.definitions"


def dagster_programs(scratch: Path, host: str, port: int, read_only: bool = False) -> list[Program]:
    """The programs in the order of their start. scratch: an empty folder that only this user reads; the code server's socket is in it.
    read_only: whether the page shows and changes nothing."""
    socket, workspace = scratch / "code.sock", scratch / "workspace.yaml"
    served = {"grpc_server": {"socket": str(socket), "host": "localhost", "location_name": LOCATION}}
    workspace.write_text(json.dumps({"load_from": [served]}))  # JSON is YAML
    code = ["code-server", "start", "--socket", str(socket), "-m", MODULE, "--location-name", LOCATION]
    page = ["-w", str(workspace), "--host", host, "--port", str(port), "--dagster-log-level", "warning"]
    page += ["--read-only"] if read_only else []
    return [
        Program(
            "Dagster's code server",
            _python("clip_pipeline.defs.code_server", *code, "--use-python-environment-entry-point", *WARNINGS),
        ),
        Program("Dagster's web server", _python("clip_pipeline.defs.web_server", *page), after=socket),
        Program("Dagster's daemon", _python("dagster._daemon", "run", "-w", str(workspace), *WARNINGS), after=socket),
    ]


WARNINGS = ("--log-level", "warning")


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]
