#!/usr/bin/env bash
# Runs every test: the C++ tests, a build with clang, and pytest on each Python that is found.
# Arguments are passed on to pytest.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

say setup
scripts/setup.sh gtest clang foreign
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

# Portals of programs that use greenlet stay on stacks of ours: the same tests in such a program.
minor=$(main_minor)
SWITCHBACK_TEST_BESIDE=greenlet record "$minor, beside greenlet" "$pytest_closing" \
  scripts/pytest.sh "$minor" "$@"
record 'unknown minor' "$pytest_closing" scripts/unknown-minor.sh
print_summary 'make test'
