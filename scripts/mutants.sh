#!/usr/bin/env bash
# Proves the tests: changes the engine in many small ways, and expects that a test fails each time.
# Arguments name mutants, or rooms of them ("interpreter"); --list shows them. On the Pythons found,
# one for each mutant, or on MINOR from the environment. With QUICK=1, the most telling ones.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh gtest
selected=${MINOR:-$(ready_minors)}
lane() { ".venvs/$(main_minor)/bin/python" tests/lanes/mutants/run.py --minors "$1" "${@:2}"; }

if [[ ${1:-} == --list ]]; then
  lane "${selected//[$'\n ']/,}" "$@"
  exit
fi
record mutants '^mutants: ' lane "${selected//[$'\n ']/,}" "$@"
print_summary mutants
