"""The only code that opens a socket or reads a user's own files."""
