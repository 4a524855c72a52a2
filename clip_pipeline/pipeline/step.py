"""One asset and what builds it: the step of a walk through the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from clip_pipeline.errors import SettingsError, WithheldArtifactError
from clip_pipeline.pipeline.asset import Asset, Partitions
from clip_pipeline.pipeline.builder import BuildContext, Builder, Incomplete
from clip_pipeline.pipeline.partitions import of_chosen_variants, partition_keys, variant_of
from clip_pipeline.pipeline.stages import artifact_key
from clip_pipeline.pipeline.workspace import Workspace
from clip_pipeline.storage.artifacts import Materialised
from clip_pipeline.storage.manifest import Artifact, ArtifactKey, Built, Wanted

CHECKPOINT = "clip_checkpoint"
"""The first asset that a training variant decides."""

OnProgress = Callable[[str, str, Mapping[str, float], bytes], None]
"""Is handed what a long build has so far: asset, partition, numbers by name, and a figure (PNG)."""


@dataclass(frozen=True)
class Step:
    """asset: what is declared of it. builder: what builds it."""

    asset: Asset
    builder: Builder

    @property
    def name(self) -> str:
        return self.asset.name

    def key(self, partition: str = "") -> ArtifactKey:
        """The key of one artifact."""
        return ArtifactKey(self.asset.stage, self.asset.name, partition)

    def workspace_of(self, workspace: Workspace, partition: str) -> Workspace:
        """The workspace whose training settings are those of the partition's variant.

        Raises SettingsError for an unknown variant and for one whose definition is broken; after a run has said so of its
        checkpoint, WithheldArtifactError for all that comes after.
        """
        variant = variant_of(self.asset, partition)
        try:
            return workspace.of_variant(variant) if variant else workspace
        except SettingsError as error:
            reason = workspace.withheld().get(artifact_key(CHECKPOINT, variant))
            if reason is None or self.name == CHECKPOINT:
                raise
            raise WithheldArtifactError(str(error), reason) from error

    def partitions(self, workspace: Workspace) -> list[str]:
        """The keys that exist now, in order, of the variants that the workspace is for; `[""]` for an asset without. Raises
        MissingArtifactError where they are not known yet."""
        return of_chosen_variants(workspace, self.asset, partition_keys(workspace, self.asset))

    def wanted(self, workspace: Workspace, partition: str = "") -> Wanted:
        """What decides the bytes of this artifact now. Raises MissingArtifactError when an input was never built, SettingsError
        for a partition of a training variant without a definition."""
        workspace = self.workspace_of(workspace, partition)
        return Wanted(
            self.asset.code_version, self.builder.config(workspace), self.builder.inputs(workspace, partition)
        )

    def incomplete(self, workspace: Workspace, artifact: Artifact) -> Incomplete | None:
        """What the stored artifact lacks for now; None where nothing."""
        return self.builder.incomplete(self.workspace_of(workspace, artifact.key.partition), artifact)

    def materialise(
        self,
        workspace: Workspace,
        partition: str = "",
        force: bool = False,
        first: bool = True,
        on_progress: OnProgress | None = None,
    ) -> Materialised:
        """The fresh artifact, built where it is not there, or lacks what may be had by now. first, on_progress: as a build is handed
        them."""
        workspace = self.workspace_of(workspace, partition)
        if self.asset.partitions in (Partitions.VARIANTS, Partitions.ADAPTED_VARIANTS):
            workspace.keep_variant()
        shown = on_progress and partial(on_progress, self.name, partition)

        def build(folder: Path, work: Path) -> Built:
            return self.builder.build(BuildContext(workspace, partition, folder, work, force, first, shown))

        def why_again(artifact: Artifact) -> str:
            incomplete = self.builder.incomplete(workspace, artifact)
            return incomplete.sentence if incomplete is not None and incomplete.is_due else ""

        materialised = workspace.store.materialise(
            self.key(partition), self.wanted(workspace, partition), build, force, why_again, self.asset.holds_photos
        )
        self.builder.follow_up(workspace, materialised.artifact)
        return materialised

    def materialise_all(
        self,
        workspace: Workspace,
        partitions: Iterable[str],
        force: bool = False,
        on_progress: OnProgress | None = None,
        on_done: Callable[[Materialised], None] = lambda materialised: None,
    ) -> dict[str, Materialised]:
        """`materialise` for each of the partitions, in their order; on_done is handed each once it is there."""
        done: dict[str, Materialised] = {}
        for key in partitions:
            first = all(outcome.hit for outcome in done.values())
            done[key] = self.materialise(workspace, key, force, first, on_progress)
            on_done(done[key])
        return done
