"""The table of any artifact as a pandas DataFrame, for a notebook."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from clip_pipeline.errors import MissingArtifactError, OldArtifactError, StoreError, nearest_name
from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.freshness import older_version
from clip_pipeline.storage.manifest import Artifact, ArtifactKey
from clip_pipeline.version import renamed_asset

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

ENDING = ".parquet"


def read_table(asset: str, data: str | Path = "data", partition: str = "", file: str = "") -> pd.DataFrame:
    """The Parquet table of an artifact; of all partitions, one below the other, where no partition is given.

    data: the data folder. partition: as Dagster and `clip-pipeline status` name it. file: needed where an artifact holds several
    tables. A column `partition` comes first where the asset has partitions.
    A table that an older version of clip_pipeline made is read, and a warning in the log says so.
    Raises MissingArtifactError for what was never materialised, OldArtifactError for the old name of an asset, StoreError where it is not clear which table is meant.
    """
    import pandas as pd
    import pyarrow.parquet as pq

    frames = []
    artifacts = _artifacts(Store(data), asset, partition)
    holding = [artifact for artifact in artifacts if file in artifact.manifest["files"]]
    for artifact in holding or artifacts:
        frame = pq.read_table(artifact.file(_table_of(artifact, file))).to_pandas()
        if artifact.key.partition:
            frame.insert(0, "partition", artifact.key.partition)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _artifacts(store: Store, asset: str, partition: str) -> list[Artifact]:
    """The finished artifacts of an asset, sorted by partition."""
    shown = [path for path in store.root.glob("[!.]*/*") if path.is_dir()]
    stage = next((path.parent.name for path in shown if path.name == asset), None)
    if sentence := renamed_asset(asset):
        raise OldArtifactError(sentence)
    if stage is None:
        known = sorted(path.name for path in shown if not renamed_asset(path.name))
        hint = nearest_name(asset, known) if known else "It holds no artifact at all: run the pipeline first."
        raise MissingArtifactError(f"{store.root} holds no {asset}. {hint}")
    partitions = [partition] if partition else store.partitions(stage, asset) or [""]
    artifacts = [store.get(ArtifactKey(stage, asset, each)) for each in partitions]
    for artifact in artifacts:
        if older := older_version(artifact.manifest):
            logger.warning(
                "%s was made by an older version (%s), which may have called columns otherwise. `clip-pipeline status` says "
                "whether it still fits.",
                artifact.key,
                older,
            )
    return artifacts


def _table_of(artifact: Artifact, file: str) -> str:
    tables = sorted(name for name in artifact.manifest["files"] if name.endswith(ENDING))
    if file in tables:
        return file
    if not file and len(tables) == 1:
        return tables[0]
    found = ", ".join(tables) or "no table"
    wanted = f"not {file}" if file else "of which one must be named"
    raise StoreError(
        f"{artifact.key} holds {found}, {wanted}. Give file=, such as file={tables[0] if tables else ''!r}."
    )
