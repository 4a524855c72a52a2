"""Has torch and open_clip loaded, 7 s of a core, beside other work of a run."""

import threading
from collections.abc import Collection

from clip_pipeline.defs.waiting_child import NextChild
from clip_pipeline.errors import ClipPipelineError
from clip_pipeline.models.torchvision_operators import load_open_clip
from clip_pipeline.pipeline.asset import Partitions
from clip_pipeline.pipeline.step import Step
from clip_pipeline.pipeline.workspace import Workspace


def load_ahead(
    next_child: NextChild, workspace: Workspace, step: Step, selected: Collection[Step], forced: Collection[str]
) -> None:
    """Call before a step is walked. In the process of a training that is to come it is loaded while the assets are built that it
    reads, but for the shards, which may take days to fetch; in this process, for the embeddings, while that one trains.

    selected: all that the run walks. forced: the names of those that are built in any case. A training that is fresh loads nothing.
    """
    for training in selected:
        if not training.asset.own_process:
            continue
        before = step.name in training.asset.after and step.asset.partitions != Partitions.SHARDS
        beside = step is training and any(step.name in other.asset.after for other in selected)
        # asked last: whether it is stale takes its manifests and inputs, at each of the run's steps
        if not (before or beside) or not (training.name in forced or _is_stale(training, workspace)):
            continue
        if before:
            next_child.prepare()
        else:
            threading.Thread(target=load_open_clip).start()


def _is_stale(step: Step, workspace: Workspace) -> bool:
    """Whether any of its artifacts would be built, from what is there now."""
    try:
        return any(
            workspace.store.why_stale(step.key(partition), step.wanted(workspace, partition))
            for partition in step.partitions(workspace)
        )
    except ClipPipelineError:  # such as an input that is not there yet; the walk says it
        return True
