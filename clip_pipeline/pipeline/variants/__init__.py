"""The training variants of a data folder."""
