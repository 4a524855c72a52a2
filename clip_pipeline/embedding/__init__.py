"""Embeddings of photos and texts."""
