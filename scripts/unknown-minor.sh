#!/usr/bin/env bash
# Builds the engine as for a CPython whose internals are not known, and runs tests on it: those
# that the arguments name, or those that are marked for it. On MINOR from the environment, or the
# newest Python.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh
minor=${MINOR:-$(main_minor)}
python=$PWD/.venvs/$minor/bin/python
export PATH="$PWD/.venvs/$minor/bin:$PATH"
build=build/unknown-minor/$minor
cmake -S . -B "$build" -G Ninja --log-level=WARNING -DPython_EXECUTABLE="$python" \
  -DSWITCHBACK_ASSUME_UNKNOWN_MINOR=ON -DSWITCHBACK_WERROR=ON
cmake --build "$build"
site=$build/site
rm -rf "$site"
mkdir -p "$site"
cp -r python/switchback "$site"
cp "$build"/_engine*.so "$site/switchback"

tests=("$@")
if [[ $# == 0 ]]; then tests=(-m unknown_minor); fi
PYTHONPATH=$PWD/$site SWITCHBACK_BACKEND=greenlet "$python" -m pytest "${tests[@]}"
