"""The scanner of wikitext."""
