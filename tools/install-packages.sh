# shellcheck shell=bash
# Sourced, after find-python.sh: `install_system_packages [PART]` installs what tools/system-packages.txt lists, by apt.
# Without a name it is the part that stands first, which `make setup` needs.

# Debian's name for an interpreter: python3.11, where python3 itself is another.
python_package() { "$1" -c 'import sys; print("python%d.%d" % sys.version_info[:2])' 2>/dev/null; }

missing_packages() {
  local package probe part='' python=python3
  [[ "$(python_package "$base_python")" == "$(python_package python3)" ]] || python=$(python_package "$base_python")
  while read -r package probe; do
    [[ -z "$package" || "$package" == \#* ]] && continue
    if [[ "$package" == \[*\] ]]; then
      part=${package:1:-1}
    elif [[ "$part" == "$1" ]]; then
      (eval "$probe") >/dev/null 2>&1 </dev/null || printf '%s ' "${package/#python3-/$python-}"
    fi
  done <tools/system-packages.txt
}

install_system_packages() {
  local missing root_command=() part=${1:-}
  missing=$(missing_packages "$part")
  [[ -z "$missing" ]] && return
  local -r by_hand="sudo apt-get update && sudo apt-get install -y ${missing% }"
  command -v apt-get >/dev/null || fail "missing here, by their Debian names: ${missing% }; install them, then try again"
  if [[ $(id -u) -ne 0 ]]; then
    if ! { command -v sudo && sudo -n true; } >/dev/null 2>&1; then
      fail "system packages are missing; type: $by_hand"
    fi
    root_command=(sudo -n)
  fi
  say "installing system packages: ${missing% }"
  "${root_command[@]}" apt-get update -qq </dev/null || say "apt-get update failed; going on with the lists at hand"
  # shellcheck disable=SC2086  # a list of words
  "${root_command[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing \
    </dev/null >/dev/null || fail "apt-get could not install them; type: $by_hand"
  missing=$(missing_packages "$part")
  [[ -z "$missing" ]] || fail "installed, but still not found: ${missing% }"
}
