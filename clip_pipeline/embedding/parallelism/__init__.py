"""Photos a second over processes × threads: what a machine gains from either."""
