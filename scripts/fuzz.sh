#!/usr/bin/env bash
# Compares random programs in portals with the same programs run natively, on each Python found or
# on MINOR from the environment. SWITCHBACK_FUZZ_PROGRAMS is their number, 20,000 unless told;
# SWITCHBACK_FUZZ_SEED repeats a run.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh
for minor in ${MINOR:-$(ready_minors)}; do
  say "Python $minor"
  scripts/build.sh "$minor"
  # tests/fuzz comes onto sys.path as the directory of the script.
  ".venvs/$minor/bin/python" tests/fuzz/run.py
done
