"""How each asset is built, one file a stage."""
