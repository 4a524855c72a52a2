"""Whether an image encoder takes images of the size that its configuration says, found without computing anything."""

from __future__ import annotations

from typing import Any

from clip_pipeline.errors import ModelError
from clip_pipeline.machine.foreign_code import loading_reason
from clip_pipeline.models.registry import ClipModel, image_size_of


def check_takes_images(model: ClipModel, config: dict[str, Any], name: str) -> None:
    """Raises ModelError where timm's encoder refuses images of the model's size.

    open_clip builds an encoder of timm in timm's own size, whatever image_size says, and the first photo would be an error deep
    inside. The shapes alone go through it (0.1 s for a ViT-B/16, 2026-12-01). name: of the model, for the sentence.
    """
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    encoder = config["vision_cfg"].get("timm_model_name")
    if not encoder:
        return
    height, width = image_size_of(config)
    visual = model.visual
    weight = next(visual.parameters())
    was_training = visual.training
    visual.eval()
    try:
        with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
            visual(torch.empty(1, 3, height, width, dtype=weight.dtype, device=weight.device))
    except Exception as error:
        own = (getattr(visual.trunk, "default_cfg", None) or {}).get("input_size")
        size = f" It was made for {own[1]} × {own[2]}: set image_size to that." if own else ""
        raise ModelError(
            f"{name}: its image encoder {encoder} of timm takes no images of {height} × {width} pixels (height × width), which "
            f"image_size in its configuration says: {loading_reason(error).rstrip('.')}.{size}"
        ) from error
    finally:
        visual.train(was_training)
