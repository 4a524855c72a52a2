"""Whether what a failed build read is damaged: bits that changed on the disk show themselves as an error of something else."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterable

from clip_pipeline.errors import ClipPipelineError, DamagedArtifactError, InputError, ShapeError, error_sentence
from clip_pipeline.machine.progress import waiting
from clip_pipeline.storage.artifacts import Store
from clip_pipeline.storage.damage import look_at_artifact, set_aside
from clip_pipeline.storage.manifest import ArtifactKey

logger = logging.getLogger(__name__)

MAX_BYTES = 20e9
"""That are read to find it: a minute of a disk. What is larger is left to `verify --deep`."""


def may_be_damage(problem: Exception) -> bool:
    """Whether damaged files may have been the reason: errors that nobody foresaw, those of contents, and those of a disk that cannot
    read, or of a library that says so of what it read (pyarrow: an OSError without a number)."""
    if isinstance(problem, OSError):
        return problem.errno in (None, errno.EIO)
    return isinstance(problem, (InputError, ShapeError)) or not isinstance(problem, ClipPipelineError)


def damaged_inputs(store: Store, keys: Iterable[ArtifactKey], failed: str, problem: Exception) -> Exception:
    """The problem, or, where artifacts that were read are damaged, a sentence that names them. They are set aside: the next run builds
    them."""
    found, left = [], MAX_BYTES
    not_read: list[str] = []
    with waiting(f"Looking whether what {failed} read is damaged"):
        for key in keys:
            artifact = store.find(key)
            if artifact is None:
                continue
            if artifact.size_bytes > left:
                not_read.append(str(key))
                continue
            left -= artifact.size_bytes
            looked = look_at_artifact(store.root, key, lambda name: True)
            damage = next((finding for finding in looked.findings if finding.is_damage), None)
            if damage is not None:
                set_aside(store.root, key, looked.state)
                found.append(f"{key}: {damage.found}")
    if not_read:
        logger.warning(
            "%d artifacts that %s read were not looked at, such as %s: together they have more than %d GB. Look at them with clip-pipeline verify --deep.",
            *(len(not_read), failed, not_read[0], MAX_BYTES / 1e9),
        )
    if not found:
        return problem
    logger.debug("%s failed", failed, exc_info=problem)
    return DamagedArtifactError(
        f"{failed} failed since what it reads is damaged ({'; '.join(found)}): {error_sentence(problem).rstrip('.')}. "
        "The damaged artifacts were set aside. Run again: they are built anew; clip-pipeline verify --deep looks at all the others."
    )
