"""Tables and texts of the user: CSV, TSV, JSON, Parquet."""
