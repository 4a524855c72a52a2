"""Ways to adapt a CLIP to labelled photos, compared on one fixed test set at growing fractions of the data."""
