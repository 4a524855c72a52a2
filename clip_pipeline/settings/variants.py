"""Training variants: named sets of `training.*` settings beside the recipe's own, and of those of `pooling` that say what the model is.

    DATA/variants/NAME.toml

    about = "Twice as long."

    [training]
    epochs = 20

The settings come on top of the recipe's, as if each were given with --set; beside `training` there may be a table `pooling`. All else is
shared by the variants. A name that is a model of the registry, a plan, or settings (`epochs=20+seed=1`, `pooling.kind=windows`) needs no file.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clip_pipeline.errors import Command, SettingsError, nearest_name
from clip_pipeline.settings.assignments import with_settings
from clip_pipeline.settings.checked import fingerprinted
from clip_pipeline.settings.definitions import (
    SETTINGS_NAME,
    checked_name,
    defined_names,
    read_definition,
)
from clip_pipeline.settings.plans import list_plans
from clip_pipeline.settings.roots import check_below
from clip_pipeline.settings.sections.pooling import OF_ARCHITECTURE, PoolingSettings
from clip_pipeline.settings.sections.training import TrainingSettings
from clip_pipeline.settings.tree import SECTIONS, Recipe

FOLDER = "variants"
"""Below the data folder."""

SECTION, POOLING, WHAT = "training", "pooling", "training variant"
KEYS = ("about", SECTION, POOLING)
FILE_SETTINGS = ("training.plan", "training.model", "training.init_from")
"""Those that may name files."""

BETWEEN_SETTINGS = re.compile(r"[+,](?=\s*[a-z_.]+=)")
"""Between two settings of a key. The dialog of the Dagster page takes no comma; the plus of a number such as 1e+5 parts nothing."""


@dataclass(frozen=True)
class Variant:
    """One variant. name: its key. about: a sentence, "" for none. assignments: what it changes, as `training.field=value`.
    training, pooling: its settings. own: whether it is the recipe's own."""

    name: str
    about: str
    assignments: tuple[str, ...]
    training: TrainingSettings
    pooling: PoolingSettings
    own: bool = False

    @property
    def sections(self) -> tuple[TrainingSettings, PoolingSettings]:
        """All settings that a variant may change."""
        return self.training, self.pooling


def own_variant_name(recipe: Recipe) -> str:
    """The key of the recipe's own variant: its model; a configuration file of the user's own goes by its name."""
    return Path(recipe.training.model).stem


def variant_file(data: Path, name: str) -> Path:
    """Where the definition of a variant lies. Raises SettingsError for a name that is not safe as a file and as a key."""
    return data / FOLDER / f"{checked_name(name, WHAT, SETTINGS_NAME)}.toml"


def list_variants(data: Path, recipe: Recipe) -> list[str]:
    """The recipe's own variant, then those that have a file, sorted; no file is read. Raises SettingsError for a file whose name
    cannot be one."""
    own = own_variant_name(recipe)
    return [own, *(name for name in defined_names(data / FOLDER, WHAT, SETTINGS_NAME) if name != own)]


def find_variant(
    data: Path, recipe: Recipe, name: str, models: Collection[str], roots: Collection[Path] | None = None
) -> Variant:
    """The variant of a key: the recipe's own, that of a file, or what the key says itself.

    data: the data folder. models: names of the registry. roots: folders below which a key may name files, None for any. Raises SettingsError for a key without a definition, and for a file that is
    broken, names an unknown setting or a wrong value.
    """
    if name == own_variant_name(recipe):
        return _own_variant(data / FOLDER / f"{name}.toml", recipe, name)
    file = variant_file(data, name)
    if file.is_file():
        return _read(file, recipe)
    assignments = _meaning(name, models)
    if not assignments:
        known = list_variants(data, recipe)
        raise SettingsError(
            f'There is no training variant "{name}". {nearest_name(name, known)} A key needs a file, {file}, or must be the name '
            "of a model or of a plan, or settings such as epochs=20+seed=1.",
            Command(
                "Write the file",
                f"clip-pipeline variants add {shlex.quote(name)} --set training.epochs=20 --data {shlex.quote(str(data))}",
            ),
        )
    for assignment in assignments:
        setting, _, value = (part.strip() for part in assignment.partition("="))
        if setting in FILE_SETTINGS and value and value not in (*models, *list_plans()):
            check_below(value, roots, f'{setting} of the variant "{name}"')
    return _make(name, "", assignments, recipe, f'The variant "{name}"')


def new_variant(
    data: Path, recipe: Recipe, name: str, assignments: Collection[str], about: str, models: Collection[str]
) -> Variant:
    """A variant that is to be defined; nothing is written. Raises SettingsError where it would change one that is there, or
    changes nothing.

    assignments: `training.field=value`, as --set takes them; none where the name itself says what it means.
    """
    file = variant_file(data, name)
    if name == own_variant_name(recipe):
        raise SettingsError(
            f'"{name}" is the variant of the recipe {recipe.name} itself. Choose another name, or change the recipe with --set.'
        )
    given = tuple(assignments) or _meaning(name, models)
    if not given:
        raise SettingsError(
            f"The variant {name} would change no setting. Give at least one, such as --set training.epochs=20."
        )
    variant = _make(name, about, given, recipe, f"The variant {name}")
    if file.exists() and _read(file, recipe).sections != variant.sections:
        raise SettingsError(
            f"The variant {name} is defined already, by {file}. Choose another name: what was trained under this one would "
            "not be what its name says."
        )
    return variant


def definition_of(variant: Variant) -> dict[str, Any]:
    """What the file of a variant holds."""
    tables: dict[str, dict[str, Any]] = {}
    for assignment in variant.assignments:
        name, _, text = assignment.partition("=")
        section, _, field = name.strip().partition(".")
        value = text.strip() if field == "plan" else getattr(getattr(variant, section), field)
        tables.setdefault(section, {})[field] = value
    return {"about": variant.about, **tables}


def differing_settings(variant: Variant, recipe: Recipe) -> dict[str, Any]:
    """The settings in which a variant differs from the recipe, by name, those of pooling with their section; what cannot change a byte is left out."""
    return {
        name if section is variant.training else f"{POOLING}.{name}": value
        for section, own in zip(variant.sections, (recipe.training, recipe.pooling), strict=True)
        for name, value in fingerprinted(section).items()
        if value != getattr(own, name)
    }


def _own_variant(file: Path, recipe: Recipe, name: str) -> Variant:
    if file.is_file() and _read(file, recipe).sections != (recipe.training, recipe.pooling):
        raise SettingsError(
            f"{file} has the name of the variant of the recipe {recipe.name} itself, {name}, and says something else. Rename "
            "the file, or remove it."
        )
    return Variant(name, f"The recipe {recipe.name} itself.", (), recipe.training, recipe.pooling, own=True)


def _meaning(name: str, models: Collection[str]) -> tuple[str, ...]:
    """What a key says itself; nothing for one that says nothing."""
    if "=" in name:
        parts = [part.strip() for part in BETWEEN_SETTINGS.split(name)]
        known = (f"{SECTION}.", f"{POOLING}.")
        return tuple(part if part.startswith(known) else f"{SECTION}.{part}" for part in parts if part)
    if name in models:
        return (f"{SECTION}.model={name}",)
    return (f"{SECTION}.plan={name}",) if name in list_plans() else ()


def _make(name: str, about: str, assignments: Collection[str], recipe: Recipe, where: str) -> Variant:
    """where: what an error names, such as the file."""
    for assignment in assignments:
        section, _, field = assignment.partition("=")[0].strip().partition(".")
        if section != SECTION and not (section == POOLING and field in OF_ARCHITECTURE):
            raise SettingsError(
                f"{where} sets {section}.{field}, but a variant changes settings of {SECTION} only, and {', '.join(OF_ARCHITECTURE)} of "
                f"{POOLING}: all else is shared by the variants. Set it in the recipe."
            )
    try:
        changed = with_settings(recipe, tuple(assignments))
    except SettingsError as error:
        raise SettingsError(f"{where}: {error}") from None
    others = [
        f"{section}.{field}={value}"
        for section in SECTIONS
        if section not in (SECTION, POOLING)
        for field, value in vars(getattr(changed, section)).items()
        if value != getattr(getattr(recipe, section), field)
    ]
    if others:
        raise SettingsError(
            f"{where}: its plan also sets {', '.join(others)}, which all variants share. Give the recipe the same, or "
            "write the plan's training settings out."
        )
    return Variant(name, about, tuple(assignments), changed.training, changed.pooling)


def _read(file: Path, recipe: Recipe) -> Variant:
    content = read_definition(file, KEYS)
    about, tables = content.get("about", ""), {name: content.get(name, {}) for name in (SECTION, POOLING)}
    if not isinstance(about, str):
        raise SettingsError(f"{file}: about is {about!r}, expected a sentence in quotes.")
    if not all(isinstance(table, dict) for table in tables.values()) or not any(tables.values()):
        raise SettingsError(f"{file} changes no setting. Expected a table [{SECTION}] with lines such as epochs = 20.")
    assignments = [
        f"{section}.{name}={_text(file, name, value)}"
        for section, table in tables.items()
        for name, value in table.items()
    ]
    return _make(file.stem, about, assignments, recipe, str(file))


def _text(file: Path, name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, (str, int, float)):
        raise SettingsError(f"{file}: {name} is neither a text nor a number nor true or false.")
    return str(value)
