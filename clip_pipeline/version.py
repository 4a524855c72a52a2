"""The version of the package, alone in its file so that the build can read it without importing anything else."""

__version__ = "0.2.0"
