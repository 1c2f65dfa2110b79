# shellcheck shell=bash
# Sourced: `find_python` sets base_python to an interpreter of 3.11 or later, PYTHON= if given, or ends with one line.

say() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; }
fail() { say "$@"; exit 1; }

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  if [[ -n "${PYTHON:-}" ]]; then
    command -v "$PYTHON" >/dev/null || fail "PYTHON=$PYTHON is not there"
    is_recent "$PYTHON" || fail "PYTHON=$PYTHON is older than 3.11"
    base_python=$PYTHON
    return
  fi
  for base_python in python3 python3.13 python3.12 python3.11; do
    if command -v "$base_python" >/dev/null && is_recent "$base_python"; then return; fi
  done
  fail "no Python 3.11 or later; install one (apt-get install python3; on Ubuntu 22.04 python3.11) or name it with PYTHON="
}
