"""From the bytes of an image file to the numbers that a model sees."""
