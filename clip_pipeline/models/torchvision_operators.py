"""Lets torchvision be imported beside a CPU build of torch.

Where torch is a CPU build and torchvision comes from the package index, `import torchvision` fails with "operator
torchvision::nms does not exist", and open_clip and timm with it (torch 2.13.0, torchvision 0.28.0). Declaring the two
operators that it looks up is enough for `torchvision.transforms`; `torchvision.io` and detection stay unavailable.
"""

from __future__ import annotations

import sys
from typing import Any

from clip_pipeline.machine.progress import waiting

_library: Any = None  # the declarations live as long as this object


def define_missing_operators() -> bool:
    """Declares `torchvision::nms` and `torchvision::qnms` where nothing else will; call before importing open_clip or timm.

    Returns whether they were declared by this call. A CUDA build of torch, and a torchvision that is already imported,
    are left alone.
    """
    global _library
    with waiting("Loading torch"):
        import torch

    if torch.version.cuda is not None or _library is not None or "torchvision" in sys.modules:
        return False
    if hasattr(torch.ops.torchvision, "nms"):
        return False
    _library = torch.library.Library("torchvision", "DEF")
    _library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _library.define(
        "qnms(Tensor dets, Tensor scores, float iou_threshold, float sigma, float score_threshold) -> Tensor"
    )
    return True


def load_open_clip() -> Any:
    """The module open_clip. Its import takes seconds; a wait is said."""
    define_missing_operators()
    with waiting("Loading open_clip"):
        import open_clip
    return open_clip
