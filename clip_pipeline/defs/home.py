"""The folder of a Dagster instance (DAGSTER_HOME): made with the configuration that the page needs."""

from __future__ import annotations

import shutil
from pathlib import Path

CONFIGURATION = Path(__file__).with_name("dagster.yaml")
"""Pools, no telemetry, and what else every instance of this package has."""


def make_home(folder: str | Path) -> Path:
    """The absolute path of the folder, which is made where it is not there; a dagster.yaml of the user's own is left as it is."""
    home = Path(folder).expanduser().absolute()
    home.mkdir(parents=True, exist_ok=True)
    if not (home / CONFIGURATION.name).exists():
        shutil.copyfile(CONFIGURATION, home / CONFIGURATION.name)
    return home
