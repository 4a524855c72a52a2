"""Shards: webdataset tars with a table of every attempt."""
