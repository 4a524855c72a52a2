"""The only folder that imports Dagster.

`asset.py` makes a Dagster asset of each that `pipeline/assets.py` declares. `checks.py`, `jobs.py`, `schedules.py` and
`sensors.py` hold what their names say; `history.py` tells Dagster what the command line built; `build.py` puts all
together.
"""

import warnings

# Backfill policies, mappings of two-dimensional partitions, checks by partition and readers of Pipes are marked so; constraints.txt
# pins the version that was tested.
warnings.filterwarnings("ignore", message=".*is currently in (beta|preview).*")
