"""Where the photos of a run come from, one class a source."""
