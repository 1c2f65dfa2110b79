#!/usr/bin/env bash
# Set up everything the benchmark needs: `tools/setup.sh` for all but torch, `tools/setup.sh torch` for that too.
#
#   VENV=DIR          the environment to use or make (default .venv)
#   PYTHON=PROGRAM    an interpreter: one inside an environment is used as it is, another makes VENV
#   TORCH_INDEX=URL   where torch and torchvision come from
#
# Quick when nothing changed: a stamp in the environment says what was installed.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/find-python.sh
. tools/install-packages.sh

readonly CPU_INDEX=https://download.pytorch.org/whl/cpu
readonly INDEX_TIMEOUT_S=5

make_environment() {
  environment_python=
  [[ -z "${PYTHON:-}" ]] || environment_python=$(tools/environment-python.sh "$PYTHON")
  [[ -z "$environment_python" ]] || return 0
  VENV=${VENV:-.venv}
  environment_python=$VENV/bin/python
  if ! { [[ -x "$environment_python" ]] && "$environment_python" -m pip --version >/dev/null 2>&1; }; then
    say "making $VENV with $("$base_python" --version)"
    "$base_python" -m venv "$VENV"
  fi
  is_recent "$environment_python" || fail "$VENV holds a Python older than 3.11; remove it or name another with VENV="
}

pip_install() {
  local quiet=--quiet
  [[ -t 2 ]] && quiet=--progress-bar=on # someone watches: show pip's own progress
  "$environment_python" -m pip install "$quiet" --disable-pip-version-check --no-input "$@" </dev/null
}

stamp_path() { "$environment_python" -c 'import sys; print(sys.prefix + "/.pond-pod-bench-setup")'; }

wanted_stamp() { { printf '%s\n' "$PWD"; cat requirements.lock pyproject.toml hatch_build.py impl/pod/kernel/*.[ch]; } | cksum; }

install_python_packages() {
  local stamp wanted
  stamp=$(stamp_path)
  wanted=$(wanted_stamp)
  if [[ -f "$stamp" && "$(<"$stamp")" == "$wanted" ]]; then return; fi
  say "installing Python packages from requirements.lock"
  pip_install -r requirements.lock
  pip_install --no-deps --editable .
  printf '%s\n' "$wanted" >"$stamp"
}

has_torch() { "$environment_python" -c 'import torch, torchvision' >/dev/null 2>&1; }

answers() {
  "$environment_python" - "$1" "$INDEX_TIMEOUT_S" >/dev/null 2>&1 <<'PY'
import sys, urllib.request
urllib.request.urlopen(sys.argv[1] + "/torch/", timeout=float(sys.argv[2])).close()
PY
}

torch_versions() { grep -E '^(torch|torchvision)==' requirements-torch.lock | cut -d' ' -f1; }

install_torch() {
  has_torch && return
  local index=${TORCH_INDEX:-}
  if [[ -z "$index" && ! -e /proc/driver/nvidia ]] && ! command -v nvidia-smi >/dev/null; then
    if answers "$CPU_INDEX"; then
      index=$CPU_INDEX
    else
      say "PyTorch's index of CPU builds does not answer"
    fi
  fi
  if [[ -z "$index" ]]; then
    say "installing torch and torchvision from the default index"
    say "these are CUDA builds: about 5.3 GB once installed (TORCH_INDEX= names another index, LOADER=pillow does without)"
    pip_install -r requirements-torch.lock || fail "torch could not be installed; LOADER=pillow does without"
  else
    say "installing torch and torchvision from $index"
    # Both from one index: a torchvision built for CUDA does not load on a torch built without.
    local dependencies
    dependencies=$(mktemp)
    grep -vE '^(torch|torchvision|triton|nvidia-|cuda-)' requirements-torch.lock >"$dependencies"
    pip_install -r "$dependencies" || fail "the packages torch needs could not be installed; LOADER=pillow does without"
    rm -f "$dependencies"
    # shellcheck disable=SC2046  # two words
    pip_install --no-deps --index-url "$index" $(torch_versions) \
      || fail "torch could not be installed from $index; TORCH_INDEX= names another, LOADER=pillow does without"
  fi
  has_torch || fail "torch is installed but cannot be imported; LOADER=pillow does without"
}

find_python
install_system_packages
make_environment
install_python_packages
if [[ "${1:-}" == torch ]]; then install_torch; fi
