"""What the Dagster page shows: of an asset, of an artifact, of an error, of a run."""
