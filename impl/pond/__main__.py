"""``python -m pond`` is the command line."""

from pond.cli import main

main()
