#!/usr/bin/env bash
# Print the interpreter given if it is inside an environment, which is then to be used; else print nothing.
set -euo pipefail
inside='import os, sys
if sys.prefix != sys.base_prefix or os.path.isdir(sys.prefix + "/conda-meta"):
    print(sys.executable)'
"$1" -c "$inside" 2>/dev/null || true
