#!/usr/bin/env bash
# Looks for leaks: the tests in tests/leak, then every quick test repeated, on the newest Python
# found or MINOR from the environment; and with a debug build of Python, which counts references,
# where there is one. Arguments are the tests to repeat.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh
tests=("$@")
if [[ ${#tests[@]} == 0 ]]; then
  for name in awaitables cancellation context_variables frameworks helpers same_as_await; do
    tests+=("tests/test_$name.py")
  done
fi
failures=0

# Runs both on an interpreter that finds the package: look_for_leaks PYTHON SITE-DIRECTORIES
look_for_leaks() {
  local python=$1 path=$2
  env SWITCHBACK_LEAKS=1 PYTHONSAFEPATH=1 PYTHONPATH="$path" \
    "$python" -m pytest -p no:cacheprovider -q -o timeout=600 tests/leak ||
    failures=$((failures + 1))
  env PYTHONSAFEPATH=1 PYTHONPATH="$path${path:+:}$PWD/tests/leak" \
    "$python" -m pytest -p no:cacheprovider -q -o timeout=600 -p plugin "${tests[@]}" ||
    failures=$((failures + 1))
}

minor=${MINOR:-$(main_minor)}
say "Python $minor"
scripts/build.sh "$minor"
look_for_leaks ".venvs/$minor/bin/python" ''

for minor in $(ready_minors); do
  debug=$(type -p "python${minor}d" "python${minor}-dbg" | head -n 1) || true
  if [[ -z $debug ]]; then continue; fi
  say "debug build of Python $minor"
  build=$PWD/build/leak-$minor
  # As a system directory, Debian's headers of the debug build would be taken for the others.
  cmake -S . -B "$build" -DPython_EXECUTABLE="$debug" -DCMAKE_BUILD_TYPE=Debug \
    -DCMAKE_NO_SYSTEM_FROM_IMPORTED=ON --log-level=WARNING
  cmake --build "$build"
  rm -rf "$build/site"
  mkdir -p "$build/site"
  cp -r switchback "$build/site/"
  cp "$build"/_engine*.so "$build/site/switchback/"
  # The packages are those of the other build, whose extensions a debug build can load.
  packages=$(".venvs/$minor/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  look_for_leaks "$debug" "$build/site:$packages"
done

if [[ $failures != 0 ]]; then die "$failures of the runs above have failed"; fi
