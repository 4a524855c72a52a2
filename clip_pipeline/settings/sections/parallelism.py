"""The settings `parallelism`: the sweep over processes × threads (parallelism_benchmark), which runs when it is asked for by name."""

from __future__ import annotations

from dataclasses import dataclass

from clip_pipeline.settings.checked import CheckedSettings, setting


@dataclass(frozen=True)
class ParallelismSettings(CheckedSettings):
    """The sweep over processes × threads (parallelism_benchmark), which runs when it is asked for by name."""

    processes: str = setting(
        "", "Processes, separated by commas, such as 1,2,4; empty is the powers of two up to the cores."
    )
    threads: str = setting(
        "",
        "Threads of each process, likewise; where either is empty, trials of more than two threads a core "
        "are left out.",
    )
    photos: int = setting(512, "Photos that all processes of a trial embed together.", low=1)
    repeats: int = setting(3, "Times that each trial is measured.", low=1)
