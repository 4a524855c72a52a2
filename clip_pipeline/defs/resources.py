"""What can be set in the launchpad: the recipe, single settings, the machine, the data folder, sources, politeness.

An empty field leaves what the recipe says. Environment variables give the values that the page starts with:
CLIP_PIPELINE_RECIPE, CLIP_PIPELINE_SETTINGS (separated by ;), CLIP_PIPELINE_DATA.
"""

import os
from typing import Any

import dagster as dg
from pydantic import Field

from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.settings import Recipe, with_settings
from clip_pipeline.settings.recipes import find_recipe


def starting_recipe() -> Recipe:
    """The recipe of the environment variables: the one that code versions and partitions on the page come from."""
    settings = os.environ.get("CLIP_PIPELINE_SETTINGS", "")
    assignments = [part.strip() for part in settings.split(";") if part.strip()]
    return with_settings(find_recipe(os.environ.get("CLIP_PIPELINE_RECIPE", "sandbox")), assignments)


class RecipeResource(dg.ConfigurableResource):
    """The recipe and single settings."""

    name: str = Field("", description="sandbox, tiny, laptop, workstation or wkit24m. Empty: CLIP_PIPELINE_RECIPE.")
    settings: list[str] = Field([], description='Single settings, such as ["words.min_count=50"].')


class ComputeResource(dg.ConfigurableResource):
    """The machine."""

    device: str = Field("", description="cpu, cuda, mps or auto.")
    precision: str = Field("", description="fp32 or bf16, for the training.")
    workers: int = Field(0, description="Processes for counting and decoding; 0 is one a core.")
    threads: int = Field(0, description="Arithmetic threads; 0 is one a core.")


class SourcesResource(dg.ConfigurableResource):
    """Where words and photos come from."""

    dump: str = Field("", description="A dump file, sandbox, or mirror.")
    photos: str = Field("", description="sandbox, unsplash, folder, tars or url_list.")
    path: str = Field("", description="The folder of photos or tars, or the url list file.")
    captions: str = Field("", description="Caption file for a folder of photos.")


class PolitenessResource(dg.ConfigurableResource):
    """How gently the network is used."""

    contact: str = Field("", description="Your e-mail or page, sent in the User-Agent.")
    connections: int = Field(0, description="Downloads at a time; 0 leaves the recipe's number.")


class StorageResource(dg.ConfigurableResource):
    """Where artifacts lie."""

    data_folder: str = Field("", description="Empty: CLIP_PIPELINE_DATA, else the folder data.")


class PipelineResource(dg.ConfigurableResource):
    """All of the above, as the workspace that the steps are handed."""

    recipe: RecipeResource
    compute: ComputeResource
    sources: SourcesResource
    politeness: PolitenessResource
    storage: StorageResource

    def workspace(self) -> Workspace:
        """A workspace for these values; use it as a context manager. Raises SettingsError for wrong values."""
        base = find_recipe(self.recipe.name) if self.recipe.name else starting_recipe()
        assignments = [*self.recipe.settings, *self._assignments()]
        folder = self.storage.data_folder or os.environ.get("CLIP_PIPELINE_DATA", "data")
        return Workspace(folder, with_settings(base, assignments))

    def _assignments(self) -> list[str]:
        given = {
            "compute.device": self.compute.device,
            "training.precision": self.compute.precision,
            "compute.workers": self.compute.workers,
            "compute.threads": self.compute.threads,
            "wikipedia.dump": self.sources.dump,
            "links.source": self.sources.photos,
            "links.path": self.sources.path,
            "links.captions": self.sources.captions,
            "download.contact": self.politeness.contact,
            "download.connections": self.politeness.connections,
        }
        return [f"{name}={value}" for name, value in given.items() if value]


def launch_resources() -> dict[str, dg.ConfigurableResource]:
    """The resources by name. Each part is configured in the launchpad (`resources: compute: config: device: cuda`);
    `pipeline`, which the assets ask for, is made of them."""
    parts: dict[str, Any] = {
        "recipe": RecipeResource.configure_at_launch(),
        "compute": ComputeResource.configure_at_launch(),
        "sources": SourcesResource.configure_at_launch(),
        "politeness": PolitenessResource.configure_at_launch(),
        "storage": StorageResource.configure_at_launch(),
    }
    return {**parts, "pipeline": PipelineResource(**parts)}
