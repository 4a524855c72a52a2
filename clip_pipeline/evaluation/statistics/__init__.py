"""Intervals, calibration, paired tests."""
