"""Models that pool the tokens of images, of texts or of both, built by open_clip's own code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from clip_pipeline.models.pooled_image_encoder import image_pooling_understood
from clip_pipeline.models.pooled_text_encoder import text_pooling_understood


@contextlib.contextmanager
def token_pooling_understood() -> Iterator[None]:
    """In it open_clip builds models whose vision_cfg or text_cfg has `token_pooling`, by whatever name it is asked for them.

    To be called in `without_foreign_code`, in which models are loaded one after another: it changes functions of open_clip's and puts them back.
    """
    with image_pooling_understood(), text_pooling_understood():
        yield
