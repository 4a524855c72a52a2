"""Training plans: JSON files that name the settings of a published training.

    {"about": "one sentence", "settings": {"training.model": "rn50_224", "training.epochs": 30}}

The settings are checked as if each were given with --set, so a plan with a misspelt key or a wrong value is an error.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clip_pipeline.errors import SettingsError, nearest_name
from clip_pipeline.machine.bounded import parse_json, read_bytes

PLAN_FOLDER = Path(__file__).parents[1] / "training" / "plans"
KEYS = ("about", "settings")
MAX_PLAN_BYTES = 1_000_000


def list_plans() -> list[str]:
    """Names of the plans that come with the package."""
    return sorted(path.stem for path in PLAN_FOLDER.glob("*.json"))


def plan_assignments(name_or_path: str) -> list[str]:
    """The settings of a plan as `stage.field=value`, in the order of the file.

    Raises SettingsError for an unknown name, a file that is no JSON or not of the form above.
    """
    plan = _read(name_or_path)
    for key in plan:
        if key not in KEYS:
            raise SettingsError(f'The plan {name_or_path} has the unknown key "{key}". {nearest_name(key, KEYS)}')
    settings = plan.get("settings")
    if not isinstance(settings, dict):
        raise SettingsError(f'The plan {name_or_path} lacks "settings", an object such as {{"training.epochs": 30}}.')
    if "training.plan" in settings:
        raise SettingsError(f"The plan {name_or_path} names a plan itself. Write its settings out.")
    return [f"{key}={_text(name_or_path, key, value)}" for key, value in settings.items()]


def _read(name_or_path: str) -> dict[str, Any]:
    path = PLAN_FOLDER / f"{name_or_path}.json"
    if not path.is_file():
        path = Path(name_or_path)
        if path.suffix == ".json" and not path.exists():
            raise SettingsError(f"The plan {path} does not exist.")
        if path.suffix != ".json":
            raise SettingsError(f'There is no plan "{name_or_path}". {nearest_name(name_or_path, list_plans())}')
    try:
        plan = parse_json(read_bytes(path, SettingsError, MAX_PLAN_BYTES).decode())
    except ValueError as error:
        raise SettingsError(f"The plan {path} cannot be read as JSON: {error}.") from error
    if not isinstance(plan, dict):
        raise SettingsError(f'The plan {path} is no JSON object. Expected {{"about": ..., "settings": {{...}}}}.')
    return plan


def _text(plan: str, key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        raise SettingsError(f"The plan {plan} gives {key} the value {json.dumps(value)}. Expected a text or a number.")
    return str(value)
