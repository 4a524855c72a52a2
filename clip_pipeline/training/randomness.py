"""Random streams of a training, one a purpose: adding a purpose leaves the others as they are."""

from __future__ import annotations

import numpy as np

ORDER, AUGMENTATION, VALIDATION, SHUFFLED_CAPTIONS, LEFT_OUT_WORDS, MIXUP = range(6)


def generator_of(seed: int, *purpose: int) -> np.random.Generator:
    """The generator of a purpose and what else it depends on, such as the step."""
    # SeedSequence takes no negative numbers; a seed and its negative are different seeds here
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([abs(seed), int(seed < 0), *purpose])))
