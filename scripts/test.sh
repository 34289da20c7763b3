#!/usr/bin/env bash
# Runs every test: the C++ tests, a build with clang, and pytest on each Python that is found.
# Arguments are passed on to pytest.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

say setup
scripts/setup.sh gtest clang
export SWITCHBACK_IS_SET_UP=1

record 'C++ tests' 'tests passed' scripts/cpp-test.sh
record 'clang build' '^no closing line' scripts/clang-check.sh
for minor in "${minors[@]}"; do
  if ! is_ready "$minor"; then
    note_outcome "Python $minor" 'NOT tested: no such Python here' ''
    continue
  fi
  record "Python $minor" "$pytest_closing" scripts/pytest.sh "$minor" "$@"
  SWITCHBACK_BACKEND=greenlet record "$minor, greenlet" "$pytest_closing" \
    scripts/pytest.sh "$minor" "$@"
done

record 'unknown minor' "$pytest_closing" scripts/unknown-minor.sh
print_summary 'make test'
