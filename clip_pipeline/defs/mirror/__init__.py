"""Dagster's history as a mirror of the data folder: what it is told, when, and how fast it is written.

`history.py` compares and tells, `provenance.py` says with which versions, `opening_mirror.py` and `command_history.py` are its callers
outside of runs, `check_events.py` has the checks' part, `database.py` the SQLite below.
"""
