"""The graph: which artifact is built from which, by which function.

`stages.py` is the table of contents. One module a stage says for each asset which inputs and settings decide its bytes and
which function builds it; `run.py` walks the graph, `status.py` tells what is fresh. Dagster (`defs/`) and the command line
are two ways to call the same steps.
"""
