"""Batches, schedule, loop, checkpoint, log."""
