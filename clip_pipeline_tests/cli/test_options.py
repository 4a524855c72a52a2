"""Options of settings are made from the settings; no help or default of theirs is written twice."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

import clip_pipeline
from clip_pipeline.cli import commands
from clip_pipeline.cli.options import SettingOption, setting_option
from clip_pipeline.cli.program import GROUPS
from clip_pipeline.settings.fields import fields_of, find_field
from clip_pipeline.settings.tree import SECTIONS

VERB_OF = {"words": "count_words", "tokenizer": "train_tokenizer", "compare": "compare_trainings", "takedown": "take_down", "ledger": "request_budgets",
           "models": "list_models", "language": "compare_language_models", "compare-scores": "compare_scores", "datasets download": "download_dataset",
           "datasets add": "add_dataset", "datasets remove": "remove_dataset", "variants add": "add_variant", "variants remove": "remove_variant"}  # fmt: skip
"""Where a verb is named otherwise than its command."""

WITHOUT_VERB = ("dev", "datasets show", "sandbox serve")
"""Commands that nobody wants in a notebook: they open a page, print one or serve."""

OWN_DEFAULTS = {
    ("words", "words.min_length"),
    ("words", "words.script"),
    ("words", "words.stop_words"),
    ("words", "words.digits"),
    ("words", "words.possessives"),
    ("embed", "embedding.runtime"),
}
"""Options whose default is not the setting's, on purpose: docs/decisions/0014-defaults-of-single-commands.md."""


def leaves(command: click.Command = commands, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """(path, command) of every command that is no group."""
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from leaves(inner, f"{path} {name}".strip())
    else:
        yield path, command


LEAVES = dict(leaves())
SETTING_OPTIONS = [
    (path, one) for path, command in LEAVES.items() for one in command.params if isinstance(one, SettingOption)
]


@pytest.mark.parametrize(
    ("path", "option"), SETTING_OPTIONS, ids=lambda one: one if isinstance(one, str) else one.setting
)
def test_help_and_default_are_the_settings(path, option):
    known = find_field(option.setting)
    assert option.name == known.name
    assert option.help.startswith(known.help)
    if option.default is not None and (path, option.setting) not in OWN_DEFAULTS:
        assert option.default == known.default


def test_a_default_of_the_commands_own_is_named_beside_that_of_the_recipes():
    found = {
        (path, option.setting): option.help
        for path, option in SETTING_OPTIONS
        if option.default is not None and option.default != find_field(option.setting).default
    }
    assert found.keys() == OWN_DEFAULTS
    for (_, setting), text in found.items():
        shown = find_field(setting).default
        assert f"in recipes: {'off' if shown is False else shown}" in text


def test_no_other_option_is_a_setting_under_its_name():
    """An option that is called as a setting is one, or means something else and says so here."""
    other = {
        ("train", "photos"), ("launch", "photos"), ("embed", "templates"), ("datasets download", "accept_terms"),("datasets download", "mirror"), ("sandbox serve", "port"), ("classify", "dataset"), ("classify", "templates"),
             ("evaluate", "dataset"), ("probe", "dataset"), ("adapt", "dataset"), ("tokenizer", "context_length"),
             ("train", "model"), ("embed", "model"), ("evaluate", "model"), ("probe", "model"), ("classify", "model"),
             ("adapt", "model"), ("search", "model"), ("search", "source"), ("compare-scores", "samples"), ("verify", "seed")}  # fmt: skip
    names = {field.name for section in SECTIONS for field in fields_of(section)}
    plain = {
        (path, option.name)
        for path, command in LEAVES.items()
        for option in command.params
        if isinstance(option, click.Option) and not isinstance(option, SettingOption) and option.name in names
    }
    assert plain - other == set()


@pytest.mark.parametrize("path", LEAVES)
def test_defaults_of_a_command_and_of_its_verb_are_the_same(path):
    verb = VERB_OF.get(path, path)
    if verb not in clip_pipeline.__all__:
        assert path in WITHOUT_VERB
        return
    keywords = inspect.signature(getattr(clip_pipeline, verb)).parameters
    for option in LEAVES[path].params:
        keyword = keywords.get(option.name)
        if keyword is None or option.required or keyword.default is inspect.Parameter.empty:
            continue
        told = option.get_default(click.Context(LEAVES[path]))
        if isinstance(told, str | int | float | bool) and option.name not in ("recipe", "output", "labels"):
            assert told == keyword.default, f"{path} --{option.name}"


def test_the_setting_names_what_is_wrong_with_a_value(tmp_path):
    asked = CliRunner().invoke(commands, ["words", str(tmp_path / "x.xml"), "-o", "w.txt", "--order", "captoned"])
    assert 'Did you mean "captioned"?' in str(asked.exception)
    asked = CliRunner().invoke(commands, ["words", "x.xml", "-o", "w.txt", "--min-count", "many"])
    assert asked.exit_code == 2 and "'many' is not a valid integer" in asked.output


def test_choices_bounds_and_default_are_in_the_help():
    @click.command()
    @setting_option("words.order")
    @setting_option("words.min_length", default=3)
    @setting_option("compute.workers", "-w")
    @setting_option("words.digits")
    def command(**options):
        click.echo(options)

    text = " ".join(CliRunner().invoke(command, ["--help"], terminal_width=200).output.split())
    assert "[frequent|captioned]" in text
    assert "[default: 3; in recipes: 2; at least 1]" in text
    assert "[default: 0; from 0 to 256]" in text
    assert "--digits / --no-digits" in text and "[default: off]" in text
    done = CliRunner().invoke(command, ["-w", "4", "--digits"])
    assert {"'order': 'frequent'", "'min_length': 3", "'workers': 4", "'digits': True"} == set(
        done.output.strip()[1:-1].split(", ")
    )


def test_the_help_lists_the_commands_in_the_order_of_the_flow_in_groups():
    lines = CliRunner().invoke(commands, ["--help"]).output.splitlines()
    titles = [line.rstrip(":") for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert titles == ["Options", *GROUPS]
    order = [line.split()[0] for line in lines if line.startswith("  ") and line.split()[0] in commands.commands]
    assert order == [command.name for members in GROUPS.values() for command in members]
    assert not [line for line in lines[1:] if line.endswith("...")], "short helps are whole sentences"


def test_every_file_of_the_command_line_calls_one_verb_a_command():
    for path in LEAVES:
        if path not in WITHOUT_VERB:
            verb = VERB_OF.get(path, path)
            source = inspect.getsource(LEAVES[path].callback)
            assert re.search(rf"from clip_pipeline\.api\.\w+ import .*\b{verb}\b", source), path
