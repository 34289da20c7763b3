#!/usr/bin/env bash
# Runs the C++ tests and pytest, on the native backend, with ThreadSanitizer and assertions.
# Arguments are passed on to pytest. The Python is the newest found, or MINOR from the environment.
# With QUICK=1 pytest runs the tests that are marked as being about threads.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh gtest
export SWITCHBACK_IS_SET_UP=1
minor=${MINOR:-$(main_minor)}
tests=("$@")
if is_quick && [[ $# == 0 ]]; then tests=(-m threads); fi

record 'C++ tests' 'tests passed' scripts/cpp-test.sh tsan
record "Python $minor" "$pytest_closing" scripts/sanitized-pytest.sh tsan "$minor" "${tests[@]}"
print_summary 'ThreadSanitizer'
