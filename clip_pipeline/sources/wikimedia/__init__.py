"""Wikimedia: dumps, their mirrors, and the API."""
