"""What a folder of results was made of, as its mark keeps it: the command, what went in, and the settings that count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clip_pipeline.settings import Recipe, fingerprinted


def made_by(
    command: str, inputs: Mapping[str, Any], recipe: Recipe | None = None, sections: Sequence[str] = ()
) -> dict[str, Any]:
    """For `published_folder`: two calls that give the same make the same result again, which then takes the place of the first.

    command: of the command line. inputs: what it was given, paths or values; a path that exists is written out, so that it is the
    same from every folder. recipe, sections: whose settings count, without those that change no bytes.
    """
    settings = {
        f"{section}.{name}": value
        for section in sections
        for name, value in fingerprinted(getattr(recipe, section)).items()
    }
    return {"command": command, **{name: _written_out(value) for name, value in inputs.items()}, **settings}


def _written_out(value: Any) -> Any:
    if isinstance(value, str | Path) and value and Path(value).expanduser().exists():
        return str(Path(value).expanduser().absolute())
    return value if value is None or isinstance(value, int | float | list | tuple) else str(value)
