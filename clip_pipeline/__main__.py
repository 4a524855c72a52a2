"""`python -m clip_pipeline` is the command line."""

from clip_pipeline.cli import main

main()
