"""Where Dagster looks for the code location (`workspace.yaml`, `pyproject.toml`)."""

from clip_pipeline.defs.build import build_definitions

defs = build_definitions()
