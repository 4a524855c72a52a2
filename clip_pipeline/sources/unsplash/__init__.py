"""Unsplash: its API and its dataset."""
