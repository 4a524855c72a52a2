"""Crash points: every change of the disk that a command makes, killed before, then the same command; see walk.py."""
