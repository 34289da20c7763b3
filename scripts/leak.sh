#!/usr/bin/env bash
# Looks for leaks, on each Python found or on MINOR from the environment, and on their debug builds,
# which count references, where there are any: the tests in tests/lanes/leak, then every test that runs in
# the process of pytest repeated, on both backends. Arguments are the tests to repeat. With QUICK=1,
# the newest Python, one backend, and some of the tests.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh
export SWITCHBACK_IS_SET_UP=1

# Tests that do their work in child processes leave nothing here.
repeated='not in_child_process'
if is_quick; then repeated+=' and quick'; fi
tests=("$@")
if [[ $# == 0 ]]; then tests=(--ignore tests/lanes -m "$repeated"); fi

# An interpreter that finds the package: run_pytest PYTHON SITE-DIRECTORIES PYTEST-ARGUMENTS...
run_pytest() {
  local python=$1 path=$2
  shift 2
  env SWITCHBACK_UNDER=leak PYTHONPATH="$path${path:+:}$PWD/tests/lanes/leak" \
    "$python" -m pytest -p no:cacheprovider -q -o timeout=600 "$@"
}

look_for_leaks() {
  local label=$1
  shift
  record "$label, growth" "$pytest_closing" run_pytest "$@" tests/lanes/leak
  record "$label, native" "$leak_closing" run_pytest "$@" -p plugin "${tests[@]}"
  if is_quick; then return; fi
  SWITCHBACK_BACKEND=greenlet \
    record "$label, greenlet" "$leak_closing" run_pytest "$@" -p plugin "${tests[@]}"
}
leak_closing='repeated tests leak; '

# A debug build of CPython, with the package built for it.
debug_build() {
  local minor=$1 debug=$2
  local build=$PWD/build/leak-$minor
  # As a system directory, Debian's headers of the debug build would be taken for the others.
  PATH="$PWD/.venvs/$minor/bin:$PATH" \
    cmake -S . -B "$build" -G Ninja -DPython_EXECUTABLE="$debug" -DCMAKE_BUILD_TYPE=Debug \
    -DCMAKE_NO_SYSTEM_FROM_IMPORTED=ON --log-level=WARNING
  PATH="$PWD/.venvs/$minor/bin:$PATH" cmake --build "$build"
  rm -rf "$build/site"
  mkdir -p "$build/site"
  cp -r python/switchback "$build/site/"
  cp "$build"/_engine*.so "$build/site/switchback/"
}

# The greenlet of the other build, built for a debug build: one that is not would not count the
# references that it takes and gives back itself. Without its assertions: one looks at the greenlet
# that a call has switched to when the call returns, by when it may be gone. Prints its directory.
debug_greenlet() {
  local minor=$1 debug=$2 pip=(".venvs/$1/bin/python" -m pip --disable-pip-version-check) greenlet
  greenlet=$("${pip[@]}" freeze | grep '^greenlet==') || return
  local target=$PWD/build/leak-$minor/$greenlet
  if [[ ! -e $target ]]; then
    CPPFLAGS=-DNDEBUG PYTHONWARNINGS=ignore "${pip[@]}" --quiet --no-cache-dir --python "$debug" \
      install --no-deps --no-binary greenlet --target "$target.new" "$greenlet" >&2 || return
    mv "$target.new" "$target" || return
  fi
  echo "$target"
}

selected=${MINOR:-$(ready_minors)}
if is_quick; then selected=${MINOR:-$(main_minor)}; fi
for minor in $selected; do
  scripts/build.sh "$minor"
  look_for_leaks "Python $minor" "$PWD/.venvs/$minor/bin/python" ''
  debug=$(type -p "python${minor}d" "python${minor}-dbg" | head -n 1) || true
  if [[ -z $debug ]]; then
    note_outcome "$minor, debug build" 'NOT tested: no such Python here' ''
    continue
  fi
  say "debug build of Python $minor"
  debug_build "$minor" "$debug"
  greenlet=$(debug_greenlet "$minor" "$debug")
  # The other packages are those of the other build, whose extensions a debug build can load.
  packages=$(".venvs/$minor/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  look_for_leaks "$minor debug" "$debug" "$PWD/build/leak-$minor/site:$greenlet:$packages"
done
print_summary 'leaks'
