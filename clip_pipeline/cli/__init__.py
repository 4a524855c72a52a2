"""The command line: `run`, `status`, `sandbox serve`, and one command a stage that works on the user's own files."""

from clip_pipeline.cli.program import commands, main

__all__ = ["commands", "main"]
