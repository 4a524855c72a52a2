"""What can be set in the launchpad: every setting, by section, as `settings/` declares it; the recipe; the data folder.

An empty field leaves what the recipe says. Environment variables give the recipe that the page starts with:
CLIP_PIPELINE_RECIPE, CLIP_PIPELINE_SETTINGS (separated by ;), CLIP_PIPELINE_DATA.
"""

import enum
import os
from typing import Any

import dagster as dg
from pydantic import Field, create_model

from clip_pipeline.machine.parent_process import end_with_multiprocessing_parent
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import SECTIONS, Recipe, with_settings
from clip_pipeline.settings.fields import SettingField, fields_of
from clip_pipeline.settings.recipes import RECIPES, find_recipe


def starting_recipe() -> Recipe:
    """The recipe of the environment variables: the one that code versions and partitions on the page come from."""
    settings = os.environ.get("CLIP_PIPELINE_SETTINGS", "")
    assignments = [part.strip() for part in settings.split(";") if part.strip()]
    return with_settings(find_recipe(os.environ.get("CLIP_PIPELINE_RECIPE", "sandbox")), assignments)


RecipeName = enum.Enum("RecipeName", {name: name for name in RECIPES})  # type: ignore[misc]


class RecipeResource(dg.ConfigurableResource):
    """The recipe, and single settings of it as `--set` takes them."""

    name: RecipeName | None = Field(None, description="A named set of settings. Empty: CLIP_PIPELINE_RECIPE.")
    settings: list[str] = Field(
        [], description='Single settings, such as ["words.min_count=50"]; the fields of the sections come on top.'
    )


class StorageResource(dg.ConfigurableResource):
    """Where artifacts lie."""

    data_folder: str = Field("", description="Empty: CLIP_PIPELINE_DATA, else the folder data.")


class SectionResource(dg.ConfigurableResource):
    """Settings of one section; an empty field leaves what the recipe says."""

    def given(self) -> dict[str, Any]:
        """The fields that are not empty, by name."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {
            name: value.value if isinstance(value, enum.Enum) else value
            for name, value in values.items()
            if value is not None
        }


def section_resource(section: str, start: Recipe) -> type[SectionResource]:
    """The resource of one section of the settings: one field a setting, empty at first. start: what the page starts with."""
    fields = {field.name: (_type_of(field) | None, Field(None, description=_describe(field, start))) for field in fields_of(section)}  # fmt: skip
    about = SECTIONS[section].__doc__
    return create_model(f"{section.capitalize()}Resource", __base__=SectionResource, __doc__=about, **fields)  # type: ignore[call-overload]


def _type_of(field: SettingField) -> Any:
    """Choices are an enumeration, which the launchpad completes and checks; bounds are checked with the other settings, for a
    sentence says more than pydantic."""
    if not field.choices:
        return field.type
    return enum.Enum(field.full_name.replace(".", "_"), {choice: choice for choice in field.choices})


def _describe(field: SettingField, start: Recipe) -> str:
    limits = "" if field.choices else f" {field.limits}"
    value = getattr(getattr(start, field.section), field.name)
    return f"{field.help}{limits.rstrip()} Empty: the recipe's, which is {value!r} at the start."


class PipelineResource(dg.ConfigurableResource):
    """All of the above, as the workspace that the steps are handed. `launch_resources` adds a field for each section."""

    recipe: RecipeResource
    storage: StorageResource

    def workspace(self) -> Workspace:
        """A workspace for these values; use it as a context manager. Raises SettingsError for wrong values."""
        end_with_multiprocessing_parent()  # a step whose run worker was killed would build on, and then hang
        base = find_recipe(self.recipe.name.value) if self.recipe.name else starting_recipe()
        given = [f"{section}.{name}={value}" for section in SECTIONS for name, value in self._given(section).items()]
        folder = self.storage.data_folder or os.environ.get("CLIP_PIPELINE_DATA", "data")
        return Workspace(folder, with_settings(base, [*self.recipe.settings, *given]))

    def _given(self, section: str) -> dict[str, Any]:
        return getattr(self, section).given()


def launch_resources() -> dict[str, dg.ConfigurableResource]:
    """The resources by name. Each part is configured in the launchpad (`resources: compute: config: device: cuda`);
    `pipeline`, which the assets ask for, is made of them."""
    kinds: dict[str, Any] = {"recipe": RecipeResource, "storage": StorageResource}
    start = starting_recipe()
    kinds |= {section: section_resource(section, start) for section in SECTIONS}
    sections = {section: (kinds[section], ...) for section in SECTIONS}
    whole = create_model("PipelineOfAllSections", __base__=PipelineResource, __doc__=PipelineResource.__doc__, **sections)  # type: ignore[call-overload]  # fmt: skip
    parts = {name: kind.configure_at_launch() for name, kind in kinds.items()}
    return {**parts, "pipeline": whole(**parts)}
