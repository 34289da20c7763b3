#!/usr/bin/env bash
# Draws docs/recording.svg anew, from a run on the newest Python found.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh
minor=$(main_minor)
scripts/build.sh "$minor"
".venvs/$minor/bin/python" scripts/recording.py
