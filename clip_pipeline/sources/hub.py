"""The client of the Hugging Face hub: where the hub cannot be reached it looks into its cache and nowhere else, at once.

Left alone, its retries took 47 seconds for a model (2026-11-21), and more than a minute for a tokenizer (2026-12-01).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from clip_pipeline.sources.web.reachable import is_reachable

logger = logging.getLogger(__name__)


def hub_address() -> str:
    """Where the hub is, by its client's own settings."""
    from huggingface_hub import constants

    return constants.ENDPOINT


@contextlib.contextmanager
def without_waiting() -> Iterator[None]:
    """Inside it the client asks for what is not in its cache only where the hub answers."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not is_reachable(constants.ENDPOINT)
    if constants.HF_HUB_OFFLINE:
        logger.info("%s cannot be reached: only what is on this machine is used", constants.ENDPOINT)
    errors = logging.getLogger().level  # open_clip tells the root logger what our sentence says better
    logging.getLogger().setLevel(logging.CRITICAL if constants.HF_HUB_OFFLINE else errors)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
        logging.getLogger().setLevel(errors)
