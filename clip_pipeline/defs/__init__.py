"""The only folder that imports Dagster.

`asset.py` makes a Dagster asset of each that `pipeline/declared/` declares. `checks.py`, `jobs.py`, `schedules.py` and
`sensors.py` hold what their names say, `walk.py` how a job goes through the graph; `history.py` tells Dagster what the command line built; `build.py` puts all
together.
"""

import os
import warnings

from clip_pipeline.machine.child_process import PROGRAM_ENVIRONMENT

# As on the command line: the libraries that read it are loaded when a step needs them.
for name, value in PROGRAM_ENVIRONMENT.items():
    os.environ.setdefault(name, value)

# Backfill policies, mappings of two-dimensional partitions, checks by partition and readers of Pipes are marked so; constraints.txt
# pins the version that was tested.
warnings.filterwarnings("ignore", message=".*is currently in (beta|preview).*")
