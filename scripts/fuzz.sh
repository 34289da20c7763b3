#!/usr/bin/env bash
# Compares random programs in portals with the same programs run natively, then such that start
# greenlets as well, then such that libraries call back, on each Python found or on MINOR from the
# environment. SWITCHBACK_FUZZ_PROGRAMS is the number of each, 20,000 unless told;
# SWITCHBACK_FUZZ_SEED repeats a run. Then random programs under tools that pair each call with its
# return, SWITCHBACK_TRACED_PROGRAMS for each tool. With QUICK=1, 2,000 programs on the newest
# Python, and no tools, which make test has.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh foreign
export SWITCHBACK_IS_SET_UP=1
selected=${MINOR:-$(ready_minors)}
if is_quick; then
  selected=${MINOR:-$(main_minor)}
  export SWITCHBACK_FUZZ_PROGRAMS=${SWITCHBACK_FUZZ_PROGRAMS:-2000}
fi

for minor in $selected; do
  scripts/build.sh "$minor"
  # tests/lanes/fuzz comes onto sys.path as the directory of the script.
  record "Python $minor" 'programs, no difference' ".venvs/$minor/bin/python" tests/lanes/fuzz/run.py
  SWITCHBACK_TEST_BESIDE=greenlet record "$minor, greenlets" 'programs, no difference' \
    ".venvs/$minor/bin/python" tests/lanes/fuzz/run.py
  record "$minor, libraries" 'programs, no difference' \
    ".venvs/$minor/bin/python" tests/lanes/fuzz/run.py libraries
  is_quick && continue
  SWITCHBACK_TRACED_PROGRAMS=${SWITCHBACK_TRACED_PROGRAMS:-3400} record "$minor, tools" ' passed' \
    ".venvs/$minor/bin/python" -m pytest -q tests/tracing -k each_return_matches_its_call
done
print_summary fuzz
