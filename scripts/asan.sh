#!/usr/bin/env bash
# Runs the C++ tests and pytest, on both backends, with AddressSanitizer, UndefinedBehaviorSanitizer
# and assertions. Arguments are passed on to pytest. The Python is the newest found, or MINOR from
# the environment. With QUICK=1 pytest runs the tests that are marked as quick.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh gtest
export SWITCHBACK_IS_SET_UP=1
minor=${MINOR:-$(main_minor)}
tests=("$@")
if is_quick && [[ $# == 0 ]]; then tests=(-m quick); fi

record 'C++ tests' 'tests passed' scripts/cpp-test.sh asan
record "Python $minor" "$pytest_closing" scripts/sanitized-pytest.sh asan "$minor" "${tests[@]}"
record "$minor, greenlet" "$pytest_closing" \
  scripts/sanitized-pytest.sh asan-greenlet "$minor" "${tests[@]}"
print_summary 'AddressSanitizer'
