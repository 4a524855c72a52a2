"""Probes: small classifiers on frozen embeddings, which say what the embeddings know."""
