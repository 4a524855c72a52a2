"""A language model of characters: text in, bits per character out, with segments of any kind in between."""
