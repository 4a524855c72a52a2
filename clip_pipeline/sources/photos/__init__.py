"""Photos of the user: folders, tars, Parquet, arrays, lists."""
