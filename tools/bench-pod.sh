#!/usr/bin/env bash
# tools/bench-pod.sh PYTHON VERB FLAGS...: set up what the harness needs, then run `harness VERB`.
# With --dry-run among the flags nothing is touched.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly environment_python=$1 verb=$2
shift 2

for flag in "$@"; do
  [[ "$flag" == --dry-run ]] || continue
  export PYTHONDONTWRITEBYTECODE=1
  if "$environment_python" -c 'import harness.cli' >/dev/null 2>&1; then
    exec "$environment_python" -m harness "$verb" "$@"
  fi
  echo "would set up ${VENV:-.venv}: tools/setup.sh base"
  echo "would run: harness $verb $*"
  exit 0
done

tools/setup.sh base
exec "$environment_python" -m harness "$verb" "$@"
