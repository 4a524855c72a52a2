"""Model configurations in open_clip's own format."""
