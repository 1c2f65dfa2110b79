"""``python -m harness.trial trial.json``."""

from __future__ import annotations

import sys

from harness.trial import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
