#!/usr/bin/env bash
# tools/bench.sh PYTHON base|torch SUITE FLAGS...: set up what the suite needs, then run it.
# A wrong request is refused before anything is installed. With --dry-run among the flags nothing is touched.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/find-python.sh
readonly environment_python=$1 needs=$2 suite=$3
shift 3

find_python
"$base_python" tools/check_request.py "$suite" "$@"

for flag in "$@"; do
  [[ "$flag" == --dry-run ]] || continue
  export PYTHONDONTWRITEBYTECODE=1
  if "$environment_python" -c 'import harness.cli' >/dev/null 2>&1; then
    exec "$environment_python" -m harness run "$suite" "$@"
  fi
  echo "would set up ${VENV:-.venv}: tools/setup.sh $needs"
  echo "would run: harness run $suite $*"
  exit 0
done

tools/setup.sh "$needs"
exec "$environment_python" -m harness run "$suite" "$@"
