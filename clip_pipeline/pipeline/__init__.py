"""The graph: which artifact is built from which, by which function."""
