"""Texts as people see them, at a terminal and on a page."""
