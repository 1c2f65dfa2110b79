#!/usr/bin/env bash
# Write requirements.lock and requirements-torch.lock: newest versions that fit pyproject.toml, for every Python and
# platform, without addresses. UV is the `uv` to use.
set -euo pipefail
cd "$(dirname "$0")/.."

compile=("${UV:-uv}" pip compile --quiet --universal --python-version 3.11 --upgrade --no-annotate
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock")
"${compile[@]}" --extra fuse --extra harness --extra dev pyproject.toml --output-file requirements.lock
sed -n '/^torch = \[/s/.*\[\(.*\)\]/\1/p' pyproject.toml | tr -d '",' | tr ' ' '\n' |
  "${compile[@]}" --constraints requirements.lock --output-file requirements-torch.lock -
