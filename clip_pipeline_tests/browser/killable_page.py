"""`clip-pipeline dev` whose processes may be killed: known by kind, and started again where it has ended."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_pipeline_tests.browser.served_page import free_port, quick_daemon

MAX_START_SECONDS = 240
MAX_BACKFILL_SECONDS = 300


@dataclass(frozen=True)
class Process:
    number: int
    parent: int
    command: str


class Page:
    """`clip-pipeline dev`, started again where it has ended."""

    def __init__(self, data: Path, folder: Path):
        self.data, self.home, self.port = data, folder / "home", free_port()
        self._log = folder / "dagster.log"
        self._environment = quick_daemon(folder / "quick")
        self._process: subprocess.Popen | None = None

    def ensure(self) -> str:
        """Starts it where it does not run. Says what was wrong: the processes that one that had ended left."""
        if self._process is not None and self._process.poll() is None:
            return ""
        left = "" if self._process is None else ", ".join(one.command for one in self.processes())
        command = ["dev", "--recipe", "tiny", "--data", self.data, "--home", self.home, "--port", self.port]
        with self._log.open("a") as output:
            program = [sys.executable, "-m", "clip_pipeline", *map(str, command)]
            self._process = subprocess.Popen(program, stdout=output, stderr=output, env=self._environment)
        self.ask("{version}", MAX_START_SECONDS)
        return left and f"clip-pipeline dev ended and left {left}"

    def has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def end(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        assert self._process.wait(120) in (0, 1), self._log.read_text()[-2000:]
        assert self.processes() == []

    def ask(self, query: str, seconds: float = 120, **variables: Any) -> dict[str, Any]:
        """The data of the page's GraphQL, asked again while nobody answers: the web server may just have been killed."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        deadline = time.monotonic() + seconds
        while True:
            request = urllib.request.Request(
                f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"}
            )
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    found = json.load(answer)
            except (OSError, ValueError):
                assert time.monotonic() < deadline, f"no answer in {seconds} s:\n{self._log.read_text()[-2000:]}"
                if self.has_ended():
                    self.ensure()
                time.sleep(0.5)
                continue
            assert "errors" not in found, found["errors"]
            return found["data"]

    def processes(self) -> list[Process]:
        """Those that its programs, and what they started, are; by their environment."""
        variable, found = f"DAGSTER_HOME={self.home}".encode(), []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if variable in (folder / "environ").read_bytes().split(b"\0"):
                    parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                    command = (folder / "cmdline").read_text().replace("\0", " ")
                    found.append(Process(int(folder.name), parent, command))
            except OSError:  # ended meanwhile, or another user's
                continue
        return found

    def by_kind(self) -> dict[str, list[Process]]:
        """The processes; under "of a run" what runs started, under "orphan" what nothing that runs has started."""
        found = self.processes()
        kinds = {process.number: _program_kind(process.command) for process in found}
        for process in found:  # runs are processes that a code server started
            if not kinds[process.number]:
                starter = kinds.get(process.parent, "orphan")
                helps = "resource_tracker" in process.command and starter != "orphan"
                kinds[process.number] = "helper" if helps else {"code server": "run worker"}.get(starter, "")
        in_step = {process.number for process in found if _captures_output(process.number, self.home)}
        known: dict[str, list[Process]] = {}
        for process in found:
            kind = kinds[process.number] or ("of a run" if process.parent in kinds else "orphan")
            known.setdefault(kind, []).append(process)
            if kind == "run worker" and process.number in in_step:
                known.setdefault("step", []).append(process)
        return known

    def launch(self, assets: list[str]) -> str:
        query = """mutation($p:LaunchBackfillParams!){launchPartitionBackfill(backfillParams:$p){
            __typename ... on LaunchBackfillSuccess{backfillId} ... on PythonError{message}}}"""
        asked = {"assetSelection": [{"path": [asset]} for asset in assets], "tags": [], "allPartitions": True}
        while True:
            answer = self.ask(query, p=asked)["launchPartitionBackfill"]
            if answer["__typename"] == "LaunchBackfillSuccess":
                return answer["backfillId"]
            time.sleep(2)  # the code location is being loaded again

    def status(self, backfill: str) -> str:
        query = "query($b:String!){partitionBackfillOrError(backfillId:$b){... on PartitionBackfill{status}}}"
        return self.ask(query, b=backfill)["partitionBackfillOrError"]["status"]

    def wait_for(self, backfill: str) -> tuple[str, str]:
        """Its status at the end, and what was wrong on the way."""
        deadline, wrong = time.monotonic() + MAX_BACKFILL_SECONDS, ""
        while time.monotonic() < deadline:
            wrong = wrong or self.ensure()
            if (status := self.status(backfill)) not in ("REQUESTED", "COMPLETING", "FAILING"):
                return status, wrong
            time.sleep(1)
        return "NO END", wrong

    def occupied_slots(self) -> dict[str, list[str]]:
        query = "{instance{concurrencyLimits{concurrencyKey activeRunIds numActive:activeSlotCount}}}"
        limits = self.ask(query)["instance"]["concurrencyLimits"]
        return {limit["concurrencyKey"]: limit["activeRunIds"] for limit in limits if limit["numActive"]}

    def unfinished_runs(self) -> list[str]:
        query = "{runsOrError(filter:{statuses:[QUEUED,NOT_STARTED,STARTING,STARTED,CANCELING]}){... on Runs{results{runId status}}}}"
        return [f"{run['runId']} {run['status']}" for run in self.ask(query)["runsOrError"]["results"]]

    def not_fresh(self) -> list[str]:
        """What the page shows as anything but FRESH of what it can build."""
        nodes = self.ask("{assetNodes{assetKey{path} isExecutable isPartitioned staleStatus partitionKeys}}")[
            "assetNodes"
        ]
        names = {node["assetKey"]["path"][0]: node for node in nodes if node["isExecutable"]}
        found = {name: node["staleStatus"] for name, node in names.items() if not node["isPartitioned"]}
        keys = [(name, key) for name, node in names.items() for key in node["partitionKeys"]]
        one = "p{}: assetNodeOrError(assetKey:{{path:[{}]}}){{... on AssetNode{{staleStatus(partition:{})}}}}"
        asked = " ".join(one.format(place, *map(json.dumps, pair)) for place, pair in enumerate(keys))
        answers = self.ask(f"{{{asked}}}")
        found |= {f"{name}[{key}]": answers[f"p{place}"]["staleStatus"] for place, (name, key) in enumerate(keys)}
        return [f"{what} {status}" for what, status in found.items() if status != "FRESH"]


def _program_kind(command: str) -> str:
    for words, kind in (
        ("defs.web_server", "web server"),
        ("dagster._daemon", "daemon"),
        ("code-server start", "code server"),
        ("api grpc", "code server"),
        ("own_process_child", "training"),
    ):
        if words in command:
            return kind
    return ""


def _captures_output(number: int, home: Path) -> bool:
    """Whether what the process says goes to a file of the page's home: it does while a step is executed (`defs/run_output.py`)."""
    try:
        return Path(f"/proc/{number}/fd/1").readlink().is_relative_to(home / "storage")
    except OSError:
        return False
