"""The only folder that imports Dagster."""
