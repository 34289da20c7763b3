#!/usr/bin/env bash
# Builds and runs the C++ tests of src/core, optimized and with assertions.
# Usage: cpp-test.sh [PRESET], one of CMakePresets.json; "debug-tests" if none is given.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

preset=${1:-debug-tests}
scripts/setup.sh gtest
PATH="$PWD/.venvs/$(main_minor)/bin:$PATH"
cmake --preset "$preset" --log-level=WARNING
cmake --build --preset "$preset"
ctest --preset "$preset"
