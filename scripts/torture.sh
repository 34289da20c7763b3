#!/usr/bin/env bash
# Runs modules of CPython's own test suite from inside a portal, and compares the outcomes with a
# run outside. Arguments name the modules; there is a list of them in tests/lanes/torture/compare.py.
# Then the same in a process that has imported greenlet. Runs on each Python found, or on MINOR from
# the environment; with QUICK=1 on the newest, and without greenlet only.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh
export SWITCHBACK_IS_SET_UP=1
selected=${MINOR:-$(ready_minors)}
if is_quick; then selected=${MINOR:-$(main_minor)}; fi

for minor in $selected; do
  scripts/build.sh "$minor"
  record "Python $minor" '^[0-9]+ modules, |^NOT tested' \
    ".venvs/$minor/bin/python" tests/lanes/torture/compare.py "build/torture/$minor" "$@"
  if is_quick; then continue; fi
  SWITCHBACK_TEST_BESIDE=greenlet record "$minor, beside greenlet" '^[0-9]+ modules, |^NOT tested' \
    ".venvs/$minor/bin/python" tests/lanes/torture/compare.py "build/torture/$minor-greenlet" "$@"
done
print_summary torture
