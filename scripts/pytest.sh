#!/usr/bin/env bash
# Builds the package for one Python and runs pytest on it.
# Usage: pytest.sh MINOR [PYTEST ARGUMENTS]
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

minor=$1
shift
scripts/build.sh "$minor"
# Keeps the current directory, and with it the source of the package, off sys.path: here and in
# the Pythons that tests start.
PYTHONSAFEPATH=1 ".venvs/$minor/bin/python" -m pytest "$@"
