"""Scores that can be trusted: datasets, zero-shot, retrieval, intervals, report."""
