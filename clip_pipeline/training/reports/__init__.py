"""What a training says of itself."""
