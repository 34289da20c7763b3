#!/usr/bin/env bash
# Measures native await, Switchback and greenback in one run, and the raw switch beside Boost's.
# Usage: bench.sh [--quick] [MINOR] [ARGUMENTS OF benchmarks/run.py]
# MINOR, as in "3.12", is by default $BENCH_PYTHON or else the newest Python that is ready.
# A full run on the newest Python also draws docs/benchmark.svg.
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

# greenback imports greenlet, and Switchback would go over to greenlet with it.
export SWITCHBACK_BACKEND=native

say setup
scripts/setup.sh benchmark
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
plot=$output/benchmark.svg
if [[ ${#quick[@]} == 0 && $minor == "$(main_minor)" ]]; then plot=docs/benchmark.svg; fi
"$venv/bin/python" benchmarks/run.py "${quick[@]}" --output "$output" --plot "$plot" \
  --core build/bench/cpp/benchmarks/cpp/core_switch "$@"
cp "$output/results.json" "$output/table.md" build/bench/
note "wrote build/bench/results.json and build/bench/table.md"
