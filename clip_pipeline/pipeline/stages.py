"""The assets by name and by stage. A stage is a folder below the data folder and a group in Dagster."""

from __future__ import annotations

from clip_pipeline.errors import SettingsError, nearest_name
from clip_pipeline.pipeline.asset import Asset
from clip_pipeline.pipeline.assets import ASSETS
from clip_pipeline.storage.manifest import ArtifactKey
from clip_pipeline.version import renamed_asset

BY_NAME: dict[str, Asset] = {asset.name: asset for asset in ASSETS}
"""In the order of the flow."""

STAGES: dict[str, tuple[str, ...]] = {
    stage: tuple(asset.name for asset in ASSETS if asset.stage == stage)
    for stage in dict.fromkeys(asset.stage for asset in ASSETS)
}
"""Names of the assets of each stage, in the order of the flow."""


def find_asset(name: str) -> Asset:
    """The asset of that name. Raises SettingsError with the new name of one that was renamed, else the nearest right one."""
    if name not in BY_NAME:
        hint = renamed_asset(name) or nearest_name(name, BY_NAME)
        raise SettingsError(f'There is no asset "{name}". {hint}')
    return BY_NAME[name]


def artifact_key(asset: str, partition: str = "") -> ArtifactKey:
    """The key of one artifact. Raises SettingsError for an unknown asset."""
    return ArtifactKey(find_asset(asset).stage, asset, partition)
