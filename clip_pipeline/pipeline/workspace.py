"""What every step is handed: the data folder, the recipe, and the sandbox world where the recipe uses it."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from clip_pipeline.errors import (
    Materialise,
    MissingArtifactError,
    OldArtifactError,
    UnreadableArtifactError,
    WithheldArtifactError,
)
from clip_pipeline.images.takedown import TAKEDOWNS_FILE, Takedowns, read_takedowns
from clip_pipeline.models.registry import list_models
from clip_pipeline.pipeline.stages import artifact_key, find_asset
from clip_pipeline.pipeline.variants.file import keep_definition
from clip_pipeline.settings import Recipe
from clip_pipeline.settings.variants import Variant, find_variant, own_variant_name
from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.freshness import older_version
from clip_pipeline.storage.manifest import Artifact, ArtifactKey
from clip_pipeline.storage.user_files import UserFiles

if TYPE_CHECKING:
    from clip_pipeline.sandbox.server import RunningSandbox

NEVER = "was never materialised"

Hosts = dict[str, tuple[str, int]]


class SandboxWorld:
    """The sandbox world of one workspace and those of its variants, or of several workspaces one after the other."""

    running: RunningSandbox | None = None

    def close(self) -> None:
        """Stops it, where it was started."""
        if self.running is not None:
            self.running.stop()
            self.running = None


class Workspace:
    """Use as a context manager: the sandbox, started when first needed, stops at the end.

    variant: the key of the training variant whose settings `recipe.training` has; the recipe's own, unless `of_variant` made it.
    own_recipe: the recipe as it was given, whatever the variant.
    """

    def __init__(
        self,
        data_folder: Path | str,
        recipe: Recipe,
        stand_ins: Hosts | None = None,
        variants: Collection[str] = (),
        world: SandboxWorld | None = None,
        withheld: dict[ArtifactKey, str] | None = None,
        roots: Collection[Path] | None = None,
    ):
        """stand_ins: addresses to use in place of those that the names of live services lead to. variants: the training variants
        that steps are to have partitions of; empty is all that there are. world: the sandbox world to use, which outlives the workspace.
        withheld: what is not to be used and why, where several workspaces of one run keep it together. roots: folders below
        which keys of datasets and variants may name files, None for any."""
        self.store = Store(data_folder)
        self.recipe = recipe
        self.stand_ins: Hosts = stand_ins or {}
        self.user_files = UserFiles(self.store.root)
        self.opening = secrets.token_hex(
            8
        )  # names this opening of the data folder, and the sandbox world that it starts
        self.variant = own_variant_name(recipe)
        self.only_variants = tuple(variants)
        self.roots = roots
        self.own_recipe = recipe
        self._world = world or SandboxWorld()
        self._closes_world = world is None
        # what `get` gave since it was last cleared, in that order; one dictionary for the workspaces of all variants
        self.was_read: dict[ArtifactKey, None] = {}
        self._withheld = {} if withheld is None else withheld  # one dictionary for the workspaces of all variants
        self._variants: dict[str, tuple[Variant, Workspace]] = {}

    def of_variant(self, name: str) -> Workspace:
        """This workspace with the training settings of a variant. Raises SettingsError for a key without a definition."""
        return self._of_variant(name)[1]

    def find_variant(self, name: str) -> Variant:
        """What a key of a training variant means. Raises SettingsError for one without a definition."""
        return self._of_variant(name)[0]

    def keep_variant(self) -> None:
        """Writes down what the key of this workspace's variant means, where no file says it yet."""
        keep_definition(self.store.root, self.find_variant(self.variant))

    def _of_variant(self, name: str) -> tuple[Variant, Workspace]:
        if name not in self._variants:
            variant = find_variant(self.store.root, self.own_recipe, name, list_models(), self.roots)
            other = copy.copy(self)
            other.variant = name
            other.recipe = replace(self.own_recipe, training=variant.training, pooling=variant.pooling)
            self._variants[name] = variant, other
        return self._variants[name]

    def get(self, asset: str, partition: str = "") -> Artifact:
        """The stored artifact. Raises MissingArtifactError where there is none, OldArtifactError where there is one that an
        older version wrote in another form, WithheldArtifactError where it is not to be used."""
        key = artifact_key(asset, partition)
        for withheld in (key, artifact_key(asset)):
            if withheld in self._withheld:
                reason = self._withheld[withheld]
                raise WithheldArtifactError(f"{key} is needed, but {reason} earlier in this run.", reason)
        artifact = self.store.get(key)
        self.was_read[key] = None
        older = older_version(artifact.manifest)
        if older and artifact.manifest["code_version"] != find_asset(asset).code_version:
            raise OldArtifactError(
                f"{artifact.key} was made by an older version ({older}) in another form.",
                Materialise(asset, partition),
            )
        return artifact

    def find(self, asset: str, partition: str = "") -> tuple[Artifact | None, str]:
        """(the artifact that `get` gives, ""), or (None, why it gives none)."""
        try:
            return self.get(asset, partition), ""
        except WithheldArtifactError as error:
            return None, error.reason
        except (OldArtifactError, UnreadableArtifactError) as error:
            return None, error.found.rstrip(".")
        except MissingArtifactError:
            return None, f"{artifact_key(asset, partition)} {NEVER}"

    def withhold(self, key: ArtifactKey, reason: str) -> None:
        """From now on `get` refuses the artifact, all of an asset's where its partition is "". reason: as in "it is skipped, since
        image_shards[00012] failed"."""
        self._withheld[key] = reason

    def release(self, key: ArtifactKey) -> None:
        """`get` gives the artifact again."""
        self._withheld.pop(key, None)

    def withheld(self) -> dict[ArtifactKey, str]:
        """What is refused, and why."""
        return dict(self._withheld)

    def as_on_disk(self) -> Workspace:
        """This workspace with nothing withheld and all training variants: what the data folder holds, whatever a run is about."""
        whole = copy.copy(self)
        whole.recipe, whole.variant, whole.only_variants = self.own_recipe, own_variant_name(self.own_recipe), ()
        whole._withheld, whole._variants = {}, {}
        return whole

    def takedowns(self) -> Takedowns:
        """What was taken down in this data folder; the list lies beside the artifacts and outlives them."""
        return read_takedowns(self.store.root / TAKEDOWNS_FILE)

    def sandbox_hosts(self) -> Hosts:
        """Names of the sandbox's servers and the loopback addresses they are at; starts the world when first asked."""
        if self._world.running is None:
            from clip_pipeline.sandbox.server import start_sandbox

            self._world.running = start_sandbox(self.recipe.sandbox)
        return self._world.running.hosts

    def close(self) -> None:
        if self._closes_world:
            self._world.close()

    def __enter__(self) -> Workspace:
        """Raises StoreError where the data folder is, or lies in, what is no folder."""
        self.store.check_place()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
