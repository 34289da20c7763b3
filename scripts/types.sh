#!/usr/bin/env bash
# Checks the types: mypy --strict on the package and on tests/typing, and the stub of the engine
# against the engine itself.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh lint
minor=$(main_minor)
scripts/build.sh "$minor"
python=.venvs/$minor/bin/python

paths=(python/switchback scripts/build_backend)
if compgen -G 'tests/typing/*.py' >/dev/null; then paths+=(tests/typing); fi
say "mypy --strict ${paths[*]}"
status=0
"$python" -m mypy --strict "${paths[@]}" || status=1
say 'stubtest switchback._engine'
"$python" -m mypy.stubtest switchback._engine || status=1
exit "$status"
