"""Checks of artifacts."""
