"""A generated world and the loopback servers that publish it."""
