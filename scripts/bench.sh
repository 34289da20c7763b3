#!/usr/bin/env bash
# Measures Switchback beside native await, greenback and others: the suites in benchmarks/suites.
# Usage: bench.sh [--quick] [MINOR] [ARGUMENTS OF benchmarks/run.py, as the names of suites]
# MINOR, as in "3.12", is by default $BENCH_PYTHON or else the newest Python that is ready.
# The results are in build/bench. A full run of all suites on the newest Python also renews
# docs/benchmarks.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

quick=()
if [[ ${1:-} == --quick ]]; then
  quick=(--quick)
  shift
fi
minor=${BENCH_PYTHON:-}
if [[ ${1:-} == [0-9]* ]]; then
  minor=$1
  shift
fi

say setup
scripts/setup.sh benchmark valgrind wrk
minor=${minor:-$(main_minor)}
is_ready "$minor" ||
  die "bench: no Python $minor is ready; there are: $(ready_minors | xargs)"
venv=.venvs/$minor
install_requirements "$venv" bench
scripts/build.sh "$minor"

say 'C++ benchmark'
PATH="$PWD/$venv/bin:$PATH"
cmake -S . -B build/bench/cpp -G Ninja --log-level=WARNING -DCMAKE_BUILD_TYPE=Release \
  -DSWITCHBACK_MODULE=OFF -DSWITCHBACK_BENCHMARKS=ON
cmake --build build/bench/cpp

say "benchmarks on Python $minor"
output=build/bench/$minor
"$venv/bin/python" benchmarks/run.py "${quick[@]}" --output "$output" --figures "$output" \
  --core build/bench/cpp/benchmarks/cpp/core_switch "$@"
note "wrote $output/results.json, $output/tables.md and the charts beside them"
if [[ ${#quick[@]} == 0 && $# == 0 && $minor == "$(main_minor)" ]]; then
  mkdir -p docs/benchmarks
  cp "$output"/{results.json,tables.md} "$output"/*.svg docs/benchmarks/
  note 'and renewed docs/benchmarks'
fi
