#!/usr/bin/env bash
# Runs the demo on the newest Python found. Arguments are passed on to it.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh demo
minor=$(main_minor)
scripts/build.sh "$minor"
".venvs/$minor/bin/python" examples/demo "$@"
