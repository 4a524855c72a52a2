"""Two models on the same samples: which differences are more than chance."""
