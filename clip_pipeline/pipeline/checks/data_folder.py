"""Whether a data folder is as it was written: every artifact, the files beside them, and what nothing knows. `clip-pipeline verify`."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from clip_pipeline.errors import DamagedFileError, SettingsError, StoreError
from clip_pipeline.evaluation.datasets.added import FOLDER as DATASETS
from clip_pipeline.images.takedown import BEGUN_FILE, TAKEDOWNS_FILE
from clip_pipeline.machine.progress import progress
from clip_pipeline.pipeline.asset import Partitions
from clip_pipeline.pipeline.assets import ASSETS
from clip_pipeline.pipeline.checks.program_files import PROGRAM_FOLDERS, check_program_files
from clip_pipeline.pipeline.stages import BY_NAME, STAGES, find_asset
from clip_pipeline.settings.variants import FOLDER as VARIANTS
from clip_pipeline.storage.damage import Finding, Kind, look_at_artifact, set_aside
from clip_pipeline.storage.data_folder import Layout, walk_data_folder
from clip_pipeline.storage.manifest import MANIFEST, ArtifactKey
from clip_pipeline.storage.manifest_file import read_artifact
from clip_pipeline.version import ASSETS as RENAMED

MAX_FINDINGS = 10_000
"""That are kept; the rest is counted."""

LEVELS = {
    Partitions.NONE: 0,
    Partitions.DATASETS_BY_VARIANT: 2,
    Partitions.SHARDS_BY_VARIANT: 2,
    Partitions.TRIALS_BY_VARIANT: 2,
}
"""Folders below an asset's that the key of a partition has, where it is not one."""

LAYOUT = Layout(
    stages=STAGES.keys(),
    levels={asset.name: LEVELS.get(asset.partitions, 1) for asset in ASSETS},
    old_assets=RENAMED.keys(),
    known_files=(TAKEDOWNS_FILE, BEGUN_FILE),
    known_folders=(*PROGRAM_FOLDERS, VARIANTS, DATASETS),
)


@dataclass(frozen=True)
class Verification:
    """What a look at a data folder gave. files, bytes: that the manifests name; files_read, bytes_read: whose bytes were read, all of
    them where `deep`, `percent` of the bytes drawn with `seed` else. left_out: findings by kind that are counted and not kept."""

    root: str
    deep: bool
    percent: float
    seed: int
    artifacts: int
    files: int
    bytes: int
    files_read: int
    bytes_read: int
    seconds: float
    findings: tuple[Finding, ...]
    left_out: dict[str, int]
    repaired: tuple[str, ...] = ()

    @property
    def damaged(self) -> list[Finding]:
        """The findings that are damage; none of them is left out while others are kept."""
        return [finding for finding in self.findings if finding.is_damage]

    def as_json(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {**asdict(self), "damaged": len(self.damaged)}


def verify_data_folder(
    root: Path,
    *,
    deep: bool = False,
    percent: float = 0.0,
    seed: int | None = None,
    assets: Collection[str] = (),
    partition: str = "",
    repair: bool = False,
) -> Verification:
    """Looks at a data folder; changes nothing but for `repair`, which sets aside the artifacts that are damaged.

    deep: read all bytes. percent, seed: read that share of the bytes, of files drawn by chance; None draws a seed. assets, partition: only these artifacts,
    and nothing beside them. Raises StoreError for a folder that is none, SettingsError for an unknown asset or a share that is none.
    """
    if not root.is_dir():
        raise StoreError(f"{root} is no folder, a data folder was expected. Name it with --data.")
    seed = secrets.randbelow(2**31) if seed is None else seed
    if not 0 <= percent <= 100:
        raise SettingsError(f"A sample of {percent:g} % was asked for, 0 to 100 can be read.")
    for name in assets:
        if name not in RENAMED:
            find_asset(name)
    began, kept = time.monotonic(), _Kept()
    walked = walk_data_folder(root, LAYOUT)
    keys = [key for key in walked.keys if _wanted(key, assets, partition)]
    if not assets and not partition:
        kept.add(walked.findings)
        kept.add(check_program_files(root, deep))
    chosen, total = _choice(root, keys, deep, percent, seed)
    sums: Counter[str] = Counter()
    repaired = []
    with progress(f"Verifying {root.name}", total=max(total // MEGABYTE, 1), unit="MB") as bar:
        advance = _in_megabytes(bar.advance)
        for key in keys:
            looked = look_at_artifact(root, key, partial(chosen, key), advance)
            sums.update(files=looked.files, bytes=looked.bytes, read=looked.files_read, bytes_read=looked.bytes_read)
            findings = looked.findings
            if repair and any(finding.is_damage for finding in findings) and set_aside(root, key, looked.state):
                repaired.append(str(key))
            kept.add(replace(finding, todo=_todo(finding)) for finding in findings)
    return Verification(
        root=str(root), deep=deep, percent=percent, seed=seed, artifacts=len(keys), files=sums["files"], bytes=sums["bytes"],
        files_read=sums["read"], bytes_read=sums["bytes_read"], seconds=time.monotonic() - began,
        findings=tuple(kept.findings), left_out=dict(kept.left_out), repaired=tuple(repaired),
    )  # fmt: skip


MEGABYTE = 1_000_000


class _Kept:
    """Findings up to a number, damage before all else."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.left_out: Counter[str] = Counter()

    def add(self, findings) -> None:
        for finding in findings:
            if len(self.findings) < MAX_FINDINGS or finding.is_damage:
                self.findings.append(finding)
            else:
                self.left_out[finding.kind] += 1


def _wanted(key: ArtifactKey, assets: Collection[str], partition: str) -> bool:
    return (not assets or key.asset in assets) and (not partition or key.partition == partition)


def _todo(finding: Finding) -> str:
    """What to do about an artifact."""
    if not finding.is_damage:
        return finding.todo or "nothing: it gets one when it is next written"
    if finding.asset not in BY_NAME:
        return f"remove the folder {finding.place}: nothing reads it any more"
    if finding.hidden:
        return "set it aside with --repair, and the next run builds it"
    return "the next run builds it"


def _in_megabytes(advance: Callable[[int], None]) -> Callable[[int], None]:
    rest = 0

    def add(count: int) -> None:
        nonlocal rest
        rest += count
        if rest >= MEGABYTE:
            advance(rest // MEGABYTE)
            rest %= MEGABYTE

    return add


def _choice(
    root: Path, keys: Sequence[ArtifactKey], deep: bool, percent: float, seed: int
) -> tuple[Callable[[ArtifactKey, str], bool], int]:
    """(whether a file's bytes are read, how many bytes that will be). A sample takes the files in an order that the seed decides, until
    they are that share of all bytes."""
    if not deep and not percent:
        return (lambda key, name: False), 0
    import numpy as np

    ranks, sizes = [], []
    for key in keys:
        for name, entry in _files(root, key).items():
            ranks.append(0 if deep else _rank(seed, key, name))
            sizes.append(entry["bytes"])
    if deep:
        return (lambda key, name: True), sum(sizes)
    rank_N, size_N = np.array(ranks, np.uint64), np.array(sizes, np.int64)
    order_N = np.argsort(rank_N)
    before_N = np.cumsum(size_N[order_N]) - size_N[order_N]
    taken_N = before_N < percent / 100 * size_N.sum()
    if not taken_N.any():
        return (lambda key, name: False), 0
    last = int(rank_N[order_N][taken_N].max())
    return (lambda key, name: _rank(seed, key, name) <= last), int(size_N[order_N][taken_N].sum())


def _rank(seed: int, key: ArtifactKey, name: str) -> int:
    text = f"{seed}\0{key.relative.as_posix()}\0{name}".encode(errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def _files(root: Path, key: ArtifactKey) -> dict[str, dict[str, Any]]:
    folder = root / key.relative
    try:
        return read_artifact(key, folder, folder / MANIFEST).manifest["files"]
    except (OSError, DamagedFileError):  # named when the artifact is looked at
        return {}


def damaged_assets(findings: Sequence[Finding]) -> list[str]:
    """The assets that a run builds anew because of damage, in the order of the flow."""
    names = {finding.asset for finding in findings if finding.is_damage}
    return [name for name in BY_NAME if name in names]


NOTES = (Kind.LEADS_OUT, Kind.UNKNOWN, Kind.LEFTOVER, Kind.BUSY, Kind.CACHE, Kind.OLD)
"""The kinds that are no damage, in the order in which they are said."""
