"""Datasets that are added to a data folder, beside those of the settings.

    DATA/datasets/NAME.toml

    dataset = "cifar10=/photos/cifar10"

The text is what evaluation.datasets takes for one; NAME is what scores call it. A name of the registry needs no file.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from clip_pipeline.errors import Command, DatasetError, SettingsError, nearest_name
from clip_pipeline.evaluation.datasets.choice import HELD_OUT, Choice, parse_choice, parse_choices, path_of
from clip_pipeline.evaluation.datasets.entry import entries
from clip_pipeline.settings.definitions import checked_name, defined_names, read_definition
from clip_pipeline.storage.definition_file import write_definition

FOLDER, KEY = "datasets", "dataset"


def dataset_file(data: Path, name: str) -> Path:
    """Where the definition of an added dataset lies. Raises SettingsError for a name that is not safe as a file and as a key."""
    return data / FOLDER / f"{checked_name(name, 'dataset')}.toml"


def list_datasets(data: Path, chosen: str) -> list[str]:
    """The names of all datasets, sorted; no file is read. chosen: the setting evaluation.datasets. Raises SettingsError,
    DatasetError."""
    return sorted({*parse_choices(chosen), *defined_names(data / FOLDER, "dataset")})


def find_dataset(data: Path, chosen: str, name: str) -> Choice:
    """The dataset of a name: of the settings, of a file, or of the registry.

    Raises SettingsError for a name without a definition, for a file that is broken, and where settings and file disagree.
    """
    of_settings = parse_choices(chosen).get(name)
    file = data / FOLDER / f"{name}.toml" if of_settings else dataset_file(data, name)
    added = _read(file) if file.is_file() else None
    if of_settings and added and added != of_settings:
        raise SettingsError(
            f'Two datasets would be called "{name}": that of evaluation.datasets and that of {file}. Rename the file, or remove it.'
        )
    found = of_settings or added or _of_registry(name)
    if found is None:
        known = list_datasets(data, chosen)
        raise SettingsError(
            f'There is no dataset "{name}". {nearest_name(name, known)} A key needs a file, {file}, or must be a name of the '
            "registry whose photos need none, such as digits. Added on the page as NAME=PATH it gets its file within a minute.",
            Command(
                "Write the file", f"clip-pipeline datasets add {shlex.quote(name)}=PATH --data {shlex.quote(str(data))}"
            ),
        )
    return found


def define_dataset(data: Path, chosen: str, text: str) -> Choice:
    """Writes the file of a new dataset. text: NAME, NAME=PATH or PATH, as evaluation.datasets takes them; the path becomes absolute.

    Raises DatasetError where nothing is at the path, SettingsError where it would change a dataset that is there.
    """
    choice = parse_choice(text)
    if choice.entry != HELD_OUT and (path := path_of(choice)) is not None:
        choice = replace(choice, path=str(path.absolute()))
    file = dataset_file(data, choice.name)
    if choice.name in list_datasets(data, chosen) and (before := find_dataset(data, chosen, choice.name)) != choice:
        raise SettingsError(
            f'There is a dataset "{choice.name}" already: {_text(before)}. Choose another name, as in other={choice.path}.'
        )
    write_definition(file, {KEY: _text(choice)})
    return choice


def remove_definition(data: Path, chosen: str, name: str) -> None:
    """Removes the file of an added dataset. Raises SettingsError where there is none."""
    file = dataset_file(data, name)
    if not file.is_file():
        find_dataset(data, chosen, name)
        raise SettingsError(f"{name} has no file, {file}: it is of evaluation.datasets or of the registry, and stays.")
    file.unlink()


def keep_definition(data: Path, chosen: str, name: str) -> None:
    """Writes down what a key of the registry means, so that it is on the disk; does nothing where settings or file say it."""
    if name not in list_datasets(data, chosen):
        write_definition(dataset_file(data, name), {KEY: _text(find_dataset(data, chosen, name))})


def _of_registry(name: str) -> Choice | None:
    """None for a name of no dataset, and for one whose files somebody has to say."""
    if name not in entries() and name != HELD_OUT:
        return None
    return Choice(name, name, "") if name == HELD_OUT or not entries()[name].needs_files else None


def _read(file: Path) -> Choice:
    content = read_definition(file, (KEY,))
    text, name = content.get(KEY), file.stem
    if not isinstance(text, str) or not text:
        raise SettingsError(f'{file} names no dataset. Expected a line such as {KEY} = "cifar10=/photos/cifar10".')
    try:
        choice = parse_choice(text)
        if choice.name == name:
            return choice
        if not choice.entry:
            return parse_choice(f"{name}={choice.path}")
    except DatasetError as error:
        raise SettingsError(f"{file}: {error}") from None
    if name in entries() or name == HELD_OUT:
        raise SettingsError(
            f"{file} says that {name} is {choice.entry}, another dataset of the registry. Rename the file."
        )
    return replace(choice, name=name)


def _text(choice: Choice) -> str:
    if not choice.path:
        return choice.entry
    return f"{choice.entry}={choice.path}" if choice.entry else choice.path
