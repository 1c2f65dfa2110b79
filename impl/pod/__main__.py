"""``python -m pod`` is the command line."""

from pod.cli import main

main()
