"""Photos by what they lie in: a folder, tars, Parquet, arrays."""
