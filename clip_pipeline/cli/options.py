"""Options that several commands take; those of settings are made from what is known of the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from clip_pipeline.settings.chosen_recipe import FROM_SCRATCH, GOING_ON
from clip_pipeline.settings.fields import SettingField, find_field
from clip_pipeline.settings.recipes import RECIPES

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

Command = TypeVar("Command", bound=Callable[..., Any])


class SettingOption(click.Option):
    """An option that sets one setting. setting: its full name, such as words.min_count."""

    def __init__(self, *names: Any, setting: str, **named: Any):
        super().__init__(*names, **named)
        self.setting = setting


class SettingValue(click.ParamType):
    """The value of a setting. Choices show in the help; a wrong value is answered where the setting is made, by its sentence."""

    def __init__(self, known: SettingField):
        self.known = known
        self.name = {int: "integer", float: "number"}.get(known.type, "text")

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str | None:
        joined = "|".join(self.known.choices)
        return f"[{joined}]" if joined and len(joined) < MAX_LISTED else "NAME" if joined else None

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return click.types.convert_type(self.known.type).convert(value, param, ctx)


MAX_LISTED = 60
"""Letters of choices that a line of help has room for."""


def setting_option(setting: str, *flags: str, default: Any = None, left: bool = False, required: bool = False) -> Any:
    """The option of a setting: its type, choices, bounds, default and help are the setting's.

    flags: instead of --NAME (--NAME/--no-NAME for a switch). default: one of this command's own, which the help names beside that
    of the recipes. left: the command is given None where the user gives nothing, as a recipe or --set may say it. required: no
    default.
    """
    known = find_field(setting)
    own = known.default if default is None else default
    return click.option(
        *(flags or _flags(known)),
        known.name,
        cls=SettingOption,
        setting=setting,
        type=None if known.type is bool else SettingValue(known),
        default=None if left or required else own,
        required=required,
        help=_help(known, None if required else own),
    )


def _flags(known: SettingField) -> tuple[str, ...]:
    flag = known.name.replace("_", "-")
    return (f"--{flag}/--no-{flag}",) if known.type is bool else (f"--{flag}",)


def _help(known: SettingField, default: Any) -> str:
    """The sentence of the setting, then in brackets the default and the bounds."""
    notes = [] if default in (None, "") else [f"default: {_shown(default)}"]
    if notes and default != known.default:
        notes.append(f"in recipes: {_shown(known.default)}")
    if not known.choices and known.limits:
        notes.append(known.limits[0].lower() + known.limits[1:].rstrip("."))
    return f"{known.help} [{'; '.join(notes)}]" if notes else known.help


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:,}" if isinstance(value, int) else str(value)


def settings_option(command: Command) -> Command:
    """The option that changes single settings."""
    return click.option(
        "--set", "settings", multiple=True, metavar="STAGE.FIELD=VALUE",
        help="Change one setting, such as words.min_count=50. May be given many times; see docs/settings.md.",
    )(command)  # fmt: skip


def recipe_options(command: Command) -> Command:
    """The options that choose a recipe and change single settings of it."""
    return _recipe_options(command, "sandbox", True)


def own_photos_recipe_options(command: Command) -> Command:
    """The same for commands that train on photos of the user's own: they are given None where the user names no recipe."""
    return _recipe_options(command, None, f"{FROM_SCRATCH}, or {GOING_ON} with training.init_from")


def _recipe_options(command: Command, default: str | None, shown: bool | str) -> Command:
    names = ", ".join(RECIPES)
    return click.option(
        "--recipe", default=default, show_default=shown, envvar="CLIP_PIPELINE_RECIPE",
        metavar="NAME|FILE.toml", help=f"A named set of settings: {names}; or a profile, a file of your own.",
    )(settings_option(command))  # fmt: skip


def data_option(command: Command) -> Command:
    """The option that chooses the data folder."""
    return click.option(
        "--data", default="data", show_default=True, envvar="CLIP_PIPELINE_DATA", type=click.Path(),
        help="Folder of the artifacts.",
    )(command)  # fmt: skip


def variants_option(command: Command) -> Command:
    """The option that names training variants."""
    return click.option(
        "--variant", "variants", multiple=True, metavar="NAME",
        help="Only this training variant, of the assets that are divided by them. May be given many times.",
    )(command)  # fmt: skip


def output_option(what: str, **named: Any) -> Any:
    """-o: where the result goes."""
    return click.option("-o", "--output", required=True, type=click.Path(), help=what, **named)


def replace_option(command: Command) -> Command:
    """--replace: of a command whose result is a folder."""
    return click.option(
        "--replace", is_flag=True, help="Replace what lies at -o also where it is another result than this command's."
    )(command)
