"""Where the page's recipe and data folder come from, and what can be set in the launchpad for one run.

What changes bytes lives in the recipe, a profile or a variant, and `settings/environment.py` says which they are. The launchpad
holds what changes none: `force`, and the settings marked `speed` that an asset's build reads. docs/dagster.md tells it for users.
"""

import enum
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import dagster as dg
from pydantic import Field, PrivateAttr, create_model

from clip_pipeline.defs.page.sentences import page_failure
from clip_pipeline.defs.waiting_child import NextChild
from clip_pipeline.errors import SettingsError
from clip_pipeline.machine.parent_process import end_with_multiprocessing_parent
from clip_pipeline.pipeline.workspace import SandboxWorld, Workspace
from clip_pipeline.settings import SECTIONS, Recipe, with_settings
from clip_pipeline.settings.environment import data_folder, page_roots, starting_recipe
from clip_pipeline.settings.fields import SettingField, find_field, speed_settings
from clip_pipeline.settings.roots import check_below
from clip_pipeline.storage.manifest import ArtifactKey


class PipelineResource(dg.ConfigurableResource):
    """The recipe and the data folder of the page, as the workspace that the steps are handed. All steps of a run in one process share
    a sandbox world, which takes 1 s to start on a quiet machine and 4 on a busy one, what is not to be used after a failure, and the
    process that the next training gets."""

    _world: SandboxWorld = PrivateAttr(default_factory=SandboxWorld)
    _withheld: dict[ArtifactKey, str] = PrivateAttr(default_factory=dict)
    _next_child: NextChild = PrivateAttr(default_factory=NextChild)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """At the end of a run, failed ones too."""
        self._world.close()
        self._next_child.close()

    @property
    def withheld(self) -> dict[ArtifactKey, str]:
        """What the steps of this run are not to use after a failure, and why."""
        return self._withheld

    @property
    def next_child(self) -> NextChild:
        """The process for the next step of this run that is built in one of its own."""
        return self._next_child

    def workspace(
        self,
        given: Mapping[str, Any] | None = None,
        variants: Sequence[str] = (),
        withheld: dict[ArtifactKey, str] | None = None,
    ) -> Workspace:
        """A workspace for one run; use it as a context manager. given: what the launchpad says, by the settings' full names.
        variants: the only training variants that it is about; empty is all. withheld: where the steps of a run keep it together.

        The recipe is read now, so that a run that starts after a profile was changed goes by the new one. Fails the run, without
        another try, where a value is wrong.
        """
        end_with_multiprocessing_parent()  # a step whose run worker was killed would build on, and then hang
        assignments = [f"{name}={value}" for name, value in (given or {}).items()]
        try:
            for name in FILE_SETTINGS:
                if value := (given or {}).get(name):
                    check_below(str(value), page_roots(), name)
            recipe = with_settings(starting_recipe(), assignments)
        except SettingsError as error:
            raise page_failure(error, allow_retries=False) from error
        return Workspace(
            data_folder(), recipe, variants=variants, world=self._world, withheld=withheld, roots=page_roots()
        )


def page_workspace() -> Workspace:
    """The recipe and the data folder of the page, for looking and for keys that were typed on it. Raises SettingsError."""
    return Workspace(data_folder(), starting_recipe(), roots=page_roots())


class LaunchConfig(dg.Config):
    """What a launchpad says of one run."""

    def given(self) -> dict[str, Any]:
        """The settings that are not empty, by their full names."""
        values = {full_name: getattr(self, name, None) for name, full_name in _FULL_NAMES.items()}
        return {
            full_name: value.value if isinstance(value, enum.Enum) else value
            for full_name, value in values.items()
            if value is not None
        }


ALL_SPEED = tuple(name for section in SECTIONS for name in speed_settings(section))
"""The settings that change no bytes, by their full names."""

FILE_SETTINGS = ("links.ledger",)
"""Those of them that name a file."""

_FULL_NAMES = {name.partition(".")[2]: name for name in ALL_SPEED}
"""By the names that the launchpad shows, which differ without their sections too."""

Launched = TypeVar("Launched", bound=LaunchConfig)


def with_speed(base: type[Launched], speed: Sequence[str], start: Recipe) -> type[Launched]:
    """The launchpad's fields of `base`, and one for each of the settings named, empty at first. start: what the page starts with."""
    known = [find_field(name) for name in speed]
    fields = {field.name: (_type_of(field) | None, Field(None, description=_describe(field, start))) for field in known}
    return create_model(base.__name__, __base__=base, __doc__=base.__doc__, **fields)  # type: ignore[call-overload]


def _type_of(field: SettingField) -> Any:
    """Choices are an enumeration, which the launchpad completes and checks. Bounds it cannot check: Dagster's configuration has
    types and no limits, so a number out of them is answered by the run, with the sentence of the settings."""
    if not field.choices:
        return field.type
    return enum.Enum(field.full_name.replace(".", "_"), {choice: choice for choice in field.choices})


def _describe(field: SettingField, start: Recipe) -> str:
    limits = "" if field.choices else f" {field.limits}"
    value = getattr(getattr(start, field.section), field.name)
    return f"{field.help}{limits.rstrip()} Empty: as the recipe says, {value!r} when the page was loaded."


@dg.io_manager(config_schema={}, description="Keeps what ops hand to one another, below the page's history.")
def values_between_ops(context: dg.InitResourceContext) -> Any:
    """Dagster's own, without its field `base_dir`. `dg.fs_io_manager.configured({})` is the same, with a warning on stderr in every run."""
    return dg.FilesystemIOManager().create_io_manager(context)


def launch_resources() -> dict[str, Any]:
    """The resources by name: `pipeline`, which the assets ask for, and what keeps the values between ops. Neither has fields: the
    launchpad could name another folder, whose pickles would be read."""
    return {"pipeline": PipelineResource(), "io_manager": values_between_ops}
