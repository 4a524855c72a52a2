"""Which photos there are, and which word found them."""
