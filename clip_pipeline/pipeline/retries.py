"""Building again what failed for a reason that may pass: the network, or a service that is overloaded."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from clip_pipeline.errors import may_pass

logger = logging.getLogger(__name__)

WAITS_SECONDS = (10.0, 20.0, 40.0)
"""Before the second, third and fourth try. Each request was tried five times by then (`sources/web/retries.py`)."""

Result = TypeVar("Result")


@dataclass
class Patience:
    """How long one asset waits for a trouble to pass.

    waits: seconds before each further try; chance takes off up to half of each, so that two machines part. Where one partition failed after all of them,
    the next ones are tried once until one succeeds: with the network down, a thousand shards would wait for a day.
    """

    waits: tuple[float, ...] = WAITS_SECONDS
    sleep: Callable[[float], None] = time.sleep
    spent: bool = False

    def try_again(self, what: str, build: Callable[[], Result]) -> Result:
        """build(), tried again after each error that may pass (`errors.may_pass`). Raises its last error."""
        waits = () if self.spent else self.waits
        for wait in waits:
            try:
                return build()
            except Exception as error:
                if not may_pass(error):
                    raise
                seconds = wait * random.uniform(0.5, 1.0)
                logger.warning("%s: %s Trying again in %.0f s.", what, error, seconds)
                self.sleep(seconds)
        try:
            result = build()
        except Exception as error:
            self.spent = may_pass(error)
            raise
        self.spent = False
        return result


NO_PATIENCE = Patience(())
"""For assets that do not use the network."""
