"""Wikitext to plain words, counts and the vocabulary."""
