#!/usr/bin/env bash
# Compiles the core and the module with clang, warnings as errors. Builds only.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh clang
venv=$PWD/.venvs/$(main_minor)
PATH="$venv/bin:$PATH"
cmake --preset clang -DPython_EXECUTABLE="$venv/bin/python" --log-level=WARNING
cmake --build --preset clang
