#!/usr/bin/env bash
# Builds the package for one Python and runs pytest on it.
# Usage: pytest.sh MINOR [PYTEST ARGUMENTS]
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

minor=$1
shift
scripts/build.sh "$minor"
".venvs/$minor/bin/python" -m pytest "$@"
