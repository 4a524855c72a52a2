"""The graph: which artifact is built from which, by which function.

`assets.py` is the table of contents: every asset, declared once. One module of `steps/` a stage says which inputs and settings
decide the bytes of each and which function builds it; `run.py` walks the graph, `status.py` tells what is fresh. Dagster (`defs/`) and the command line
are two ways to call the same steps.
"""
