#!/usr/bin/env bash
# Builds the extension for one Python and installs the package in its virtual environment.
# Usage: build.sh MINOR. Incremental: object files are kept in build/ and reused.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

minor=$1
python=.venvs/$minor/bin/python
export CXX=${CXX:-g++}
# The tools that come from requirements/build.txt, ahead of any others.
export PATH="$PWD/.venvs/$minor/bin:$PATH"

# --force-reinstall: the version number stays the same while the source changes.
"$python" -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps \
  --force-reinstall --config-settings=cmake.define.SWITCHBACK_WERROR=ON .

# What is tested is what was installed.
"$python" -c '
import sys, switchback, switchback._engine
for module in (switchback, switchback._engine):
    assert module.__file__.startswith(sys.prefix), f"{module.__file__} is not in {sys.prefix}"
print("installed:", switchback._engine.__file__)
'
