#!/usr/bin/env bash
# tools/peers.sh [NAME...]: get the systems that pond is compared with: mountpoint, s3fs, geesefs (all without a name).
# What is built goes to .cache/peers/bin, where the harness looks after PATH. Nothing else needs any of it.
# One that cannot be had here is named with what is missing, and the others go on.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/find-python.sh
. tools/install-packages.sh

readonly PEERS=(mountpoint s3fs geesefs)
readonly FOLDER=${HARNESS_CACHE:-$PWD/.cache}/peers
readonly RUST=1.95 GEESEFS=v0.43.5

# AWS's program where there is one, else our launcher over its library.
get_mountpoint() {
  if command -v mount-s3 >/dev/null; then
    say "mountpoint: $(mount-s3 --version) is on PATH"
    return
  fi
  command -v cargo >/dev/null || fail "mountpoint: the launcher needs Rust $RUST or later (https://rustup.rs); or install mount-s3"
  install_system_packages mountpoint
  say "mountpoint: building the launcher (10 to 30 minutes on two cores, seconds when nothing changed)"
  cargo build --release --locked --quiet --manifest-path peers/mountpoint-launcher/Cargo.toml \
    --target-dir "$FOLDER/build" || fail "mountpoint: cargo could not build the launcher"
  install -D -m 755 "$FOLDER/build/release/mountpoint-launcher" "$FOLDER/bin/mountpoint-launcher" \
    || fail "mountpoint: $FOLDER/bin cannot be written"
  say "mountpoint: $("$FOLDER/bin/mountpoint-launcher" --version)"
}

get_s3fs() {
  install_system_packages s3fs
  say "s3fs: $(s3fs --version | sed -n 1p)"
}

# `go install` refuses a module with replacements; built in its own folder, it has them.
get_geesefs() {
  command -v go >/dev/null || fail "geesefs: needs Go (https://go.dev/dl)"
  local -r module=github.com/yandex-cloud/geesefs@$GEESEFS
  go mod download "$module" || fail "geesefs: Go does not get $GEESEFS from its proxy, or cannot verify it; see above"
  local -r source=$(go env GOMODCACHE)/$module
  say "geesefs: building $GEESEFS"
  mkdir -p "$FOLDER/bin"
  go build -C "$source" -trimpath -buildvcs=false -o "$FOLDER/bin/geesefs" . || fail "geesefs: go could not build it"
  say "geesefs: $("$FOLDER/bin/geesefs" --version 2>&1)"
}

[[ $# -gt 0 ]] || set -- "${PEERS[@]}"
for name in "$@"; do
  [[ " ${PEERS[*]} " == *" $name "* ]] || { say "no peer '$name'; there are: ${PEERS[*]}"; exit 2; }
done
find_python
failed=()
for name in "$@"; do
  ("get_$name") || failed+=("$name")
done
[[ ${#failed[@]} -eq 0 ]] || fail "not to be had here: ${failed[*]}"
