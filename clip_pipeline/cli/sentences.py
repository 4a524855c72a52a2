"""Errors in the words of the terminal: what to do is a command."""

from __future__ import annotations

from clip_pipeline.errors import AnotherDataFolder, ClipPipelineError, Materialise, Remedy, RunFailedError


def terminal_sentence(error: ClipPipelineError) -> str:
    """What was found, and the command that mends it."""
    if isinstance(error, RunFailedError):
        return error.text(terminal_sentence)
    return f"{error.found} {_advice(error.remedy)}" if error.remedy else str(error)


def _advice(remedy: Remedy) -> str:
    if isinstance(remedy, Materialise):
        asset = remedy.asset if remedy.alone or remedy.again else f"+{remedy.asset}"
        return f"Run: clip-pipeline run --select {asset}{' --force' if remedy.again else ''}"
    if isinstance(remedy, AnotherDataFolder):
        return f"{remedy.otherwise}, or choose another folder with --data."
    return str(remedy)
