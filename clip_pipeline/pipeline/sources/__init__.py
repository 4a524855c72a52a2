"""What the pipeline reads and does not build: the mirror or the user's own files, the take-down list, the requests that are left.

`source.py` says what is declared of one, `declared.py` declares them and looks, `newest_dump.py` remembers what a mirror answered.
"""
