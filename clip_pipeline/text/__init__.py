"""Caption corpus and tokenizer."""
