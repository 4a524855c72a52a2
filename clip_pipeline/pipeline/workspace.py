"""What every step is handed: the data folder, the recipe, and the sandbox world where the recipe uses it."""

from __future__ import annotations

import secrets
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from clip_pipeline.errors import OldArtifactError
from clip_pipeline.images.takedown import TAKEDOWNS_FILE, Takedowns, read_takedowns
from clip_pipeline.pipeline.stages import artifact_key, find_asset
from clip_pipeline.settings import Recipe
from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.freshness import older_version
from clip_pipeline.storage.manifest import Artifact
from clip_pipeline.storage.own_files import OwnFiles

if TYPE_CHECKING:
    from clip_pipeline.sandbox.server import RunningSandbox

Hosts = dict[str, tuple[str, int]]


class Workspace:
    """Use as a context manager: the sandbox, started when first needed, stops at the end."""

    def __init__(self, data_folder: Path | str, recipe: Recipe, stand_ins: Hosts | None = None):
        """stand_ins: addresses to use in place of those that the names of live services lead to."""
        self.store = Store(data_folder)
        self.recipe = recipe
        self.stand_ins: Hosts = stand_ins or {}
        self.own_files = OwnFiles(self.store.root)
        self.opening = secrets.token_hex(
            8
        )  # names this opening of the data folder, and the sandbox world that it starts
        self._sandbox: RunningSandbox | None = None

    def get(self, asset: str, partition: str = "") -> Artifact:
        """The stored artifact. Raises MissingArtifactError where there is none, OldArtifactError where there is one that an
        older version wrote in another form."""
        artifact = self.store.get(artifact_key(asset, partition))
        older = older_version(artifact.manifest)
        if older and artifact.manifest["code_version"] != find_asset(asset).code_version:
            raise OldArtifactError(
                f"{artifact.key} was made by an older version ({older}) in another form. "
                f"Run: clip-pipeline run --select +{asset}"
            )
        return artifact

    def takedowns(self) -> Takedowns:
        """What was taken down in this data folder; the list lies beside the artifacts and outlives them."""
        return read_takedowns(self.store.root / TAKEDOWNS_FILE)

    def sandbox_hosts(self) -> Hosts:
        """Names of the sandbox's servers and the loopback addresses they are at; starts the world when first asked."""
        if self._sandbox is None:
            from clip_pipeline.sandbox.server import start_sandbox

            self._sandbox = start_sandbox(self.recipe.sandbox)
        return self._sandbox.hosts

    def close(self) -> None:
        if self._sandbox is not None:
            self._sandbox.stop()
            self._sandbox = None

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
