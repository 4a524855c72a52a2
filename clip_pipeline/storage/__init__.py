"""Artifacts on the disk: published whole, named by their content, cached, locked."""
