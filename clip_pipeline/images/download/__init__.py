"""Photos of a catalog fetched, checked and written into shards."""
