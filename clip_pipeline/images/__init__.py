"""Links, catalog, download, shards and pairs."""
