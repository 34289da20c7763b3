#!/usr/bin/env bash
# Runs every test: the C++ tests, a build with clang, and pytest on each Python that is found.
# Arguments are passed on to pytest.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

summary=()
failures=0
mkdir -p build/log

# Runs a command and keeps its outcome: record NAME PATTERN COMMAND...
# The last line of its output that matches the pattern goes into the summary.
record() {
  local name=$1 pattern=$2 log="build/log/${1// /-}.txt" outcome=passed
  shift 2
  say "$name"
  if ! "$@" 2>&1 | tee "$log"; then
    outcome=FAILED
    failures=$((failures + 1))
  fi
  local closing
  closing=$(grep -E "$pattern" "$log" | tail -n 1 | tr -d '=' | xargs) || true
  summary+=("$(printf '%-14s %-7s %s' "$name" "$outcome" "$closing")")
}

say setup
scripts/setup.sh gtest clang
export SWITCHBACK_IS_SET_UP=1

record 'C++ tests' 'tests passed' scripts/cpp-test.sh
record 'clang build' '^no closing line' scripts/clang-check.sh
for minor in "${minors[@]}"; do
  if ! is_ready "$minor"; then
    summary+=("$(printf '%-14s NOT tested: no such Python here' "Python $minor")")
    continue
  fi
  record "Python $minor" '^=+ .* in [0-9.]+s' scripts/pytest.sh "$minor" "$@"
  SWITCHBACK_BACKEND=greenlet record "$minor, greenlet" '^=+ .* in [0-9.]+s' \
    scripts/pytest.sh "$minor" "$@"
done

say summary
printf '%s\n' "${summary[@]}"
if [[ $failures != 0 ]]; then die "$failures of the steps above failed"; fi
