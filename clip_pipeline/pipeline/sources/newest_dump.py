"""The newest dump that the mirror has: asked for when somebody wants to know, remembered in the data folder.

A run does not ask the mirror whether its "latest" dump is still the latest: it would be a request a run, and a working pipeline
would download 20 GB on the day that a dump appears. Once the mirror was asked, what it answered decides: an older dump is stale.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import WikipediaSettings
from clip_pipeline.storage.remembered import recall, remember

SANDBOX_MIRROR = "http://dumps.sandbox.test"
INPUT = "the newest dump"
"""The name of the input by which an artifact says which dump it was built for."""


def ask_newest_dump(workspace: Workspace) -> str:
    """The date of the newest finished dump, YYYYMMDD, asked of the mirror now and remembered; "" where the settings name one dump.

    Raises SourceError, SettingsError.
    """
    settings = workspace.recipe.wikipedia
    if settings.dump not in ("sandbox", "mirror") or settings.date != "latest":
        return ""
    from dataclasses import replace

    from clip_pipeline.sources.wikimedia.mirror import find_remote_dump

    asked, hosts = settings, workspace.stand_ins
    if settings.dump == "sandbox":
        asked, hosts = replace(settings, mirror=SANDBOX_MIRROR), workspace.sandbox_hosts()
    date = find_remote_dump(asked, hosts, workspace.recipe.download.contact).date
    if date != known_newest_dump(workspace):
        remember(_memory(workspace), {**_place(settings), "date": date})
    return date


def known_newest_dump(workspace: Workspace) -> str:
    """What the mirror of the settings answered last, "" where it was never asked."""
    settings = workspace.recipe.wikipedia
    if settings.date != "latest":
        return ""
    known = recall(_memory(workspace), _is_answer, old=True)
    return known["date"] if known and known.items() >= _place(settings).items() else ""


def _is_answer(value: dict[str, Any]) -> bool:
    named = value.keys() == {"dump", "mirror", "wiki", "date"} and all(type(text) is str for text in value.values())
    return named and re.fullmatch(r"\d{8}", value["date"]) is not None


def newest_dump_input(workspace: Workspace) -> dict[str, str]:
    """The input of `wikipedia_dump` that says which dump is wanted; empty while no newer one than that on the disk is known.

    An artifact that is new enough keeps the input that it was built with: a dump that was downloaded before anybody asked the mirror
    stays what it is.
    """
    newest, stored = known_newest_dump(workspace), workspace.store.find(artifact_key("wikipedia_dump"))
    if newest > stored_dump_date(workspace):
        return {INPUT: newest}
    return {} if stored is None else {name: value for name, value in stored.manifest["inputs"].items() if name == INPUT}


def stored_dump_date(workspace: Workspace) -> str:
    """The date of the dump that is there, YYYYMMDD; "" where there is none, or its name tells none."""
    stored = workspace.store.find(artifact_key("wikipedia_dump"))
    return "" if stored is None else re.sub(r"\D", "", str(stored.facts.get("date", "")))


def _place(settings: WikipediaSettings) -> dict[str, str]:
    return {"dump": settings.dump, "mirror": settings.mirror.rstrip("/"), "wiki": settings.wiki}


def _memory(workspace: Workspace) -> Path:
    return workspace.store.root / ".cache" / "newest_dump.json"
