#!/usr/bin/env bash
# tools/peers.sh [NAME...]: get the systems that ours are compared with (all without a name): for pond mountpoint, s3fs,
# geesefs; for pod criu, kishu, xdelta3, and postgresql and redis, which keep its stores. What is built goes to
# .cache/peers/bin (HARNESS_HOME and HARNESS_CACHE move that), where the harness looks after PATH. Nothing else needs any of it.
# One that cannot be had here is named with what is missing, and the others go on.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/find-python.sh
. tools/install-packages.sh

readonly PEERS=(mountpoint s3fs geesefs criu kishu xdelta3 postgresql redis)
readonly FOLDER=${HARNESS_CACHE:-${HARNESS_HOME:-$PWD}/.cache}/peers
readonly RUST=1.95 GEESEFS=v0.43.5 KISHU=0.3.4

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

# Debian has one that works here from 13 on; an older system gets that from a Debian 13 tree, run with the tree's libraries.
get_criu() {
  local -r tree=$FOLDER/debian13
  if command -v criu >/dev/null && [[ $(criu --version) =~ ([0-9]+)\. && ${BASH_REMATCH[1]} -ge 4 ]]; then
    say "criu: $(criu --version | sed -n 1p) is on PATH"
    return
  fi
  if ! [[ -x $tree/usr/sbin/criu ]]; then
    [[ $(id -u) -eq 0 ]] || fail "criu: needs root, for debootstrap and to take images"
    install_system_packages criu
    say "criu: getting a Debian 13 tree (3 minutes)"
    rm -rf "$tree"
    mkdir -p "$tree"
    debootstrap --variant=minbase --include=criu trixie "$tree" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" \
      >"$FOLDER/debootstrap.log" 2>&1 || { rm -rf "$tree"; fail "criu: debootstrap failed; see $FOLDER/debootstrap.log"; }
  fi
  mkdir -p "$FOLDER/bin"
  cat >"$FOLDER/bin/criu" <<'SCRIPT'
#!/bin/sh
tree=$(dirname "$(dirname "$(readlink -f "$0")")")/debian13
machine=$(uname -m)
exec "$tree/lib/$machine-linux-gnu/ld-linux-$(echo "$machine" | tr _ -).so."* \
  --library-path "$tree/usr/lib/$machine-linux-gnu" "$tree/usr/sbin/criu" "$@"
SCRIPT
  chmod +x "$FOLDER/bin/criu"
  say "criu: $("$FOLDER/bin/criu" --version | sed -n 1p)"
}

# An environment of its own, over the project's: it asks for packages that the project has other uses for.
get_kishu() {
  local -r environment=$FOLDER/kishu python=${VENV:-.venv}/bin/python
  [[ -x $python ]] || fail "kishu: needs the project's environment: make setup"
  rm -rf "$environment"
  "$python" -m venv "$environment" || fail "kishu: no environment could be made"
  "$python" -c 'import site; print("import site; site.addsitedir(%r)" % site.getsitepackages()[0])' \
    >"$("$environment/bin/python" -c 'import site; print(site.getsitepackages()[0])')/over-the-projects.pth"
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "kishu==$KISHU" || fail "kishu: pip could not install it"
  say "kishu: $("$environment/bin/python" -c 'import importlib.metadata as m, kishu, harness; print(m.version("kishu"))')"
}

get_xdelta3() {
  install_system_packages xdelta3
  say "xdelta3: $(xdelta3 -V 2>&1 | sed -n 1p)"
}

get_postgresql() {
  install_system_packages postgresql
  say "postgresql: $(ls -d /usr/lib/postgresql/*/bin)"
}

get_redis() {
  install_system_packages redis
  say "redis: $(redis-server --version)"
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
