"""torch itself: plain fp32, the same in lower precision, and compiled."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from clip_pipeline.embedding.runtimes.runtime import REFERENCE, Place, Runtime, image_side
from clip_pipeline.errors import MissingRuntimeError

if TYPE_CHECKING:
    import numpy as np
    import torch

COMPILED_ROWS = 32
"""Rows of the one shape that is compiled; a batch is cut into such pieces, the last one filled up."""


class TorchRuntime:
    """The model as it is, or a copy of it in another precision."""

    def __init__(self, name: str, model: Any, device: str, dtype: torch.dtype | None = None):
        """dtype: of the weights and the pixels; None leaves the model alone."""
        self.name, self._device, self._dtype = name, device, dtype
        self._model = model if dtype is None else copy.deepcopy(model).to(device=device, dtype=dtype)

    def encode_images(self, pixels_NCHW: torch.Tensor) -> np.ndarray:
        import torch

        with torch.inference_mode():
            output = self._model.encode_image(pixels_NCHW.to(self._device, self._dtype))
            return output.float().cpu().numpy()


class CompiledRuntime:
    """fp32 through torch.compile, at one fixed shape."""

    def __init__(self, name: str, model: Any, device: str, compiler: str = "inductor"):
        """compiler: a backend of torch.compile. Raises MissingRuntimeError where it cannot compile."""
        import torch

        self.name, self._device = name, device
        self._encode = torch.compile(model.encode_image, backend=compiler, dynamic=False)
        side = image_side(model)
        try:
            self.encode_images(torch.zeros(1, 3, side, side))
        except (RuntimeError, OSError) as error:  # no C++ compiler, or a model that it cannot take
            raise MissingRuntimeError(
                f"{name} cannot compile this model here: {_first_line(error)} It needs a C++ compiler (g++)."
            ) from error

    def encode_images(self, pixels_NCHW: torch.Tensor) -> np.ndarray:
        import numpy as np
        import torch

        parts = []
        with torch.inference_mode():
            for piece in pixels_NCHW.split(COMPILED_ROWS):
                missing = COMPILED_ROWS - len(piece)
                full = torch.nn.functional.pad(piece, (0, 0, 0, 0, 0, 0, 0, missing)) if missing else piece
                output = self._encode(full.contiguous().to(self._device))
                parts.append(output[: len(piece)].float().cpu().numpy())
        return np.concatenate(parts)


def _first_line(error: BaseException) -> str:
    error = getattr(error, "inner_exception", error)  # what dynamo wraps
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".") + "."


def torch_fp32(model: Any, place: Place) -> Runtime:
    """open_clip's own forward pass."""
    return TorchRuntime(REFERENCE, model, place.device)


def torch_bf16(model: Any, place: Place) -> Runtime:
    """Weights and activations in bfloat16. Where the processor has no instructions for it, it is slow, not wrong."""
    import torch

    return TorchRuntime("torch_bf16", model, place.device, torch.bfloat16)


def torch_compile(model: Any, place: Place) -> Runtime:
    """fp32, compiled: a minute at the start."""
    return CompiledRuntime("torch_compile", model, place.device)


def cuda_half(model: Any, place: Place) -> Runtime:
    """Weights and activations in float16 on a GPU. Raises MissingRuntimeError without one."""
    import torch

    if not place.device.startswith("cuda"):
        raise MissingRuntimeError(
            f"cuda_half needs a CUDA device, and this runs on {place.device}. Set compute.device=cuda where there is one."
        )
    return TorchRuntime("cuda_half", model, place.device, torch.float16)
