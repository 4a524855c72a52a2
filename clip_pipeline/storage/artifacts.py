"""The data folder: finding, building and publishing artifacts. The only code that publishes one.

data/<stage>/<asset>/<partition>/   files, and manifest.json, whose presence means the artifact is complete
data/.staging/   artifacts being written; thrown away when their build starts again
data/.work/      finished pieces of an unfinished artifact, by fingerprint; a killed run resumes from them
data/.removed/   artifacts that are being removed; what is left of them goes with the next command that holds photos `alone`
data/.locks/     one lock an artifact, so that two runs never build the same one at once
data/.cache/     remembered sha256 of the user's own large files, and the links of their own lists
data/.checks/    what the checks found, by artifact (`pipeline/checks/evaluate.py`)
data/.ledger/    the count of requests to a photo search (`sources/web/request_ledger.py`)
data/takedowns.jsonl   photos that must not come back (`images/takedown.py`)
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clip_pipeline.errors import (
    DamagedFileError,
    Materialise,
    MissingArtifactError,
    StoreError,
    UnreadableArtifactError,
)
from clip_pipeline.storage.checked_json import checked_text
from clip_pipeline.storage.disk import (
    previous_of,
    remove_at_once,
    restore_previous,
    swap_in,
    sync_tree,
    write_synced,
)
from clip_pipeline.storage.disk_faults import disk_errors
from clip_pipeline.storage.freshness import explain_difference, wrong_files
from clip_pipeline.storage.lock import exclusive_lock
from clip_pipeline.storage.manifest import MANIFEST, Artifact, ArtifactKey, Built, Wanted, make_manifest
from clip_pipeline.storage.manifest_file import SET_ASIDE, KnownManifests, read_artifact
from clip_pipeline.storage.scratch import PIECES, REMOVED, USED_PIECES, set_aside_used, used_pieces, work_folder

logger = logging.getLogger(__name__)

NEVER = "never materialised"


@dataclass(frozen=True)
class Materialised:
    """The outcome of `Store.materialise`: the artifact, whether it was a cache hit, and why it was built if not."""

    artifact: Artifact
    hit: bool
    reason: str
    seconds: float


class Store:
    """The data folder."""

    def __init__(self, root: Path | str):
        self.root = Path(root).expanduser().absolute()
        self._manifests = KnownManifests()
        self._alone = False

    def check_place(self, exists: bool = False, writable: bool = False) -> None:
        """Raises StoreError where the root is no folder and can become none. exists: also where it is not there yet. writable: also
        where nothing may be written there."""
        if exists and not self.root.exists():
            raise StoreError(f"There is no data folder {self.root}. Name the one of your runs with --data.")
        there = next(place for place in (self.root, *self.root.parents) if place.exists())
        if not there.is_dir():
            raise StoreError(f"{there} is a file, a data folder was expected. Name another with --data.")
        if writable and not os.access(there, os.W_OK | os.X_OK):
            raise StoreError(f"You may not write in {there}. Name another data folder with --data.")

    # ---- reading

    def folder(self, key: ArtifactKey) -> Path:
        return self.root / key.relative

    def partitions(self, stage: str, asset: str) -> list[str]:
        """The partitions of an asset on the disk, sorted; `[""]` for an asset without partitions that is there."""
        folder = self.root / stage / asset
        places = sorted(path.parent.relative_to(folder) for path in folder.rglob(MANIFEST))
        # a publication that was killed leaves the old folder beside its place, under a hidden name
        return ["|".join(place.parts) for place in places if not any(part.startswith(".") for part in place.parts)]

    def find(self, key: ArtifactKey) -> Artifact | None:
        """The artifact, or None where there is none, or none that can be used (`why_unreadable` says why). Reads the manifest, does
        not check the files (`verify` does)."""
        try:
            return self._read(key)
        except (FileNotFoundError, NotADirectoryError, DamagedFileError):
            return None

    def find_set_aside(self, key: ArtifactKey) -> Artifact | None:
        """What `verify --repair` set aside because files of it are damaged: the others may still be of use to a new build."""
        folder = self.folder(key)
        try:
            return read_artifact(key, folder, folder / SET_ASIDE)
        except (FileNotFoundError, NotADirectoryError, DamagedFileError):
            return None

    def why_unreadable(self, key: ArtifactKey) -> str:
        """Why the artifact that lies there is not one that can be used; "" where it is, or where none lies there."""
        try:
            self._read(key)
        except DamagedFileError as error:
            return f"its manifest {error}"
        except (FileNotFoundError, NotADirectoryError):
            return "set aside by verify, which found it damaged" if self.find_set_aside(key) else ""
        return ""

    def _read(self, key: ArtifactKey) -> Artifact:
        folder = self.folder(key)
        if previous_of(folder).exists():
            # A run was killed between the two renames of a publication, and the old artifact is whole beside its place, or
            # after them, and it still takes room there.
            with self._lock(key, wait=False) as locked:
                if locked:
                    restore_previous(folder, MANIFEST)
        return self._manifests.read(key, folder, folder / MANIFEST)

    def get(self, key: ArtifactKey) -> Artifact:
        """The artifact. Raises MissingArtifactError where there is none, UnreadableArtifactError where it is damaged."""
        artifact = self.find(key)
        if artifact is None:
            if why := self.why_unreadable(key):
                raise UnreadableArtifactError(
                    f"{key} is needed and cannot be used: {why}.", Materialise(key.asset, key.partition)
                )
            raise MissingArtifactError(
                f"{key} is needed and was never materialised in {self.root}.", Materialise(key.asset, key.partition)
            )
        return artifact

    def verify(self, artifact: Artifact, deep: bool = False) -> str:
        """ "" when the files are those of the manifest, else what is wrong with them, as `wrong_files` says it."""
        return wrong_files(artifact, deep)

    def why_stale(self, key: ArtifactKey, wanted: Wanted) -> str:
        """ "" when the stored artifact is fresh and whole, else the reason it must be built, in a few words."""
        artifact = self.find(key)
        if artifact is None:
            return self.why_unreadable(key) or NEVER
        if artifact.fingerprint != wanted.fingerprint(key):
            return explain_difference(artifact.manifest, wanted)
        return self.verify(artifact)

    # ---- writing

    def materialise(
        self,
        key: ArtifactKey,
        wanted: Wanted,
        build: Callable[[Path, Path], Built],
        force: bool = False,
        why_again: Callable[[Artifact], str] = lambda artifact: "",
        holds_photos: bool = False,
    ) -> Materialised:
        """Returns the fresh artifact, building it where it is not there.

        build(folder, work_folder): writes the artifact's files into `folder`, which is new and empty; `work_folder`
        survives a crash and is handed to the next try with the same fingerprint. Two processes that want the same
        artifact take turns, and the second finds it ready. why_again(artifact): why a fresh one is to be built once more, "" where it
        is not. holds_photos: a take-down waits until it is built, or it waits for the take-down. Raises DiskError where the disk is full or read-only.
        """

        def why() -> str:
            return self.why_stale(key, wanted) or why_again(self.get(key))

        started = time.monotonic()
        if not force and not why():
            self._remove_leftovers(key)
            return Materialised(self.get(key), True, "", time.monotonic() - started)
        with disk_errors(self.root), self._beside_others(holds_photos), self._lock(key, wait=True):
            restore_previous(self.folder(key), MANIFEST)
            reason = why()
            if not reason and not force:
                return Materialised(self.get(key), True, "", time.monotonic() - started)
            logger.info("Building %s: %s", key, reason or "asked to")
            artifact = self._build_and_publish(key, wanted, build)
        return Materialised(artifact, False, reason or "asked to", time.monotonic() - started)

    def _build_and_publish(self, key: ArtifactKey, wanted: Wanted, build: Callable[[Path, Path], Built]) -> Artifact:
        pieces = self.pieces_folder(key)
        work = work_folder(pieces, wanted.fingerprint(key))
        # Killed before the publication, the next try gets the pieces back; after it, the next hit removes them.
        artifact = self._publish(key, wanted, lambda staging: build(staging, work), lambda: set_aside_used(pieces))
        shutil.rmtree(used_pieces(pieces), ignore_errors=True)
        return artifact

    def _publish(
        self,
        key: ArtifactKey,
        wanted: Wanted,
        build: Callable[[Path], Built],
        on_written: Callable[[], object] = lambda: None,
    ) -> Artifact:
        """on_written: called when the new artifact is whole on the disk, before it takes its place."""
        began = datetime.now(UTC)
        staging = self._staging(key)
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        manifest = make_manifest(key, wanted, build(staging), staging, began, datetime.now(UTC))
        # manifest last: its presence means the artifact is complete
        try:
            write_synced(staging / MANIFEST, checked_text(manifest))
        except DamagedFileError as error:
            raise StoreError(f"The manifest of {key}, of {len(manifest['files']):,} files, {error}.") from error
        sync_tree(staging)
        on_written()
        swap_in(staging, self.folder(key))
        return self._read(key)  # as the next run reads it: JSON's keys are strings

    # ---- changing what is stored

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else builds an artifact with photos in the data folder meanwhile; those who do are waited for. Ends what killed
        publications left half, so that all that is there is found by its name."""
        with disk_errors(self.root), exclusive_lock(self._photos_lock, f"photos in {self.root}"):
            self._alone = True
            try:
                for left in (self.root / REMOVED).glob(
                    "*"
                ):  # the folder stays: others may be about to move something there
                    shutil.rmtree(left, ignore_errors=True)
                for pattern in ("[!.]*/*/**/.*.previous", "[!.]*/.*.previous"):
                    for previous in [path for path in self.root.glob(pattern) if path.is_dir()]:
                        restore_previous(previous.with_name(previous.name[1:].removesuffix(".previous")), MANIFEST)
                yield
            finally:
                self._alone = False

    def rewrite(self, old: Artifact, inputs: Mapping[str, str], build: Callable[[Path], Built]) -> Artifact:
        """The artifact written anew by build(folder) from what it holds. Its settings and its code version stay, and so do the
        pieces of an unfinished one; inputs: those that changed."""
        wanted = Wanted(old.manifest["code_version"], old.manifest["config"], {**old.manifest["inputs"], **inputs})
        with self._lock(old.key, wait=True):
            return self._publish(old.key, wanted, build)

    def remove(self, key: ArtifactKey) -> None:
        """Removes an artifact, whole or damaged, in one step."""
        with self._lock(key, wait=True):
            remove_at_once(self.folder(key), self.root / REMOVED / secrets.token_hex(8))

    def _remove_leftovers(self, key: ArtifactKey) -> None:
        """Of a run that was killed after it had published, or built for nothing."""
        left = [path for path in (self._staging(key), used_pieces(self.pieces_folder(key))) if path.exists()]
        if left:
            with self._lock(key, wait=False) as nobody_builds_it:
                for path in left if nobody_builds_it else ():
                    shutil.rmtree(path, ignore_errors=True)

    def _staging(self, key: ArtifactKey) -> Path:
        return self.root / ".staging" / key.relative

    @property
    def _photos_lock(self) -> Path:
        return self.root / ".locks" / "photos.lock"

    def _beside_others(self, holds_photos: bool) -> contextlib.AbstractContextManager[object]:
        if self._alone or not holds_photos:
            return contextlib.nullcontext()
        return exclusive_lock(self._photos_lock, f"photos in {self.root}", shared=True)

    # ---- pieces of what is not finished

    def pieces_folder(self, key: ArtifactKey) -> Path:
        """Where the pieces of the unfinished artifact lie; removed when it is published."""
        return self.root / ".work" / key.relative / PIECES

    def forget_pieces(self, key: ArtifactKey) -> None:
        """Removes the pieces of unfinished builds of an artifact, of all partitions for a key without one: a killed one starts anew. One
        that is being built now keeps them."""
        place = self.root / ".work" / key.relative
        for pieces in sorted([*place.rglob(PIECES), *place.rglob(USED_PIECES)]):
            parts = pieces.parent.relative_to(self.root / ".work" / key.stage / key.asset).parts
            partition = ArtifactKey(key.stage, key.asset, "|".join(parts))
            with self._lock(partition, wait=False) as nobody_builds_it:
                if nobody_builds_it:
                    remove_at_once(pieces, self._staging(partition))

    def forget_staging(self, key: ArtifactKey) -> None:
        """Removes what killed builds of an asset had written so far, all partitions. Call it `alone`."""
        shutil.rmtree(self._staging(key), ignore_errors=True)

    def _lock(self, key: ArtifactKey, wait: bool) -> contextlib.AbstractContextManager[bool]:
        """Holds the artifact's lock. Without `wait`, yields False when another process has it."""
        path = self.root / ".locks" / key.relative.with_name(key.relative.name + ".lock")
        return exclusive_lock(path, str(key), wait)
