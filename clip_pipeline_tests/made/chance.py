"""The seed of everything that tests draw by chance: 0, or what CLIP_PIPELINE_TEST_SEED says."""

from __future__ import annotations

import os

TEST_SEED = int(os.environ.get("CLIP_PIPELINE_TEST_SEED", "0"))
