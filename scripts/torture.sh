#!/usr/bin/env bash
# Runs modules of CPython's own test suite from inside a portal, and compares the outcomes with a
# run outside. Arguments name the modules; there is a list of them in tests/torture/compare.py.
# Runs on each Python found, or on MINOR from the environment.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh
export SWITCHBACK_IS_SET_UP=1
if [[ -n ${MINOR:-} ]]; then minors=("$MINOR"); fi

failures=0
for minor in "${minors[@]}"; do
  say "Python $minor"
  if ! is_ready "$minor"; then
    note "NOT tested: no such Python here"
    continue
  fi
  scripts/build.sh "$minor"
  ".venvs/$minor/bin/python" tests/torture/compare.py "build/torture/$minor" "$@" ||
    failures=$((failures + 1))
done
if [[ $failures != 0 ]]; then die "there are differences on $failures of the Pythons above"; fi
