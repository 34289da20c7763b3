#!/usr/bin/env bash
# Builds the package with sanitizers for one Python and runs pytest on it.
# Usage: sanitized-pytest.sh asan|asan-greenlet|tsan MINOR [PYTEST ARGUMENTS]
# The interpreter, greenlet and the event loops are not built with the sanitizers: what they do shows
# by the functions of the C library that they call. What cannot be tested so is marked with "not_under".
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

kind=$1 minor=$2
shift 2
python=$PWD/.venvs/$minor/bin/python
site=$PWD/build/$kind-site-$minor
export CXX=g++
export PATH="$PWD/.venvs/$minor/bin:$PATH"

flags='-O1 -g'
case $kind in
  asan) sanitizers=address,undefined libraries=(asan ubsan) ;;
  # greenlet copies parts of the stack away and others back. The gaps that AddressSanitizer leaves
  # between the locals of our functions would be copied as well, and be gone from where it notes them.
  asan-greenlet)
    sanitizers=address,undefined libraries=(asan ubsan)
    flags+=' --param=asan-stack=0'
    export SWITCHBACK_BACKEND=greenlet
    ;;
  tsan) sanitizers=thread libraries=(tsan) ;;
  *) die "no such kind: $kind" ;;
esac

rm -rf "$site"
"$python" -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps \
  --target "$site" --config-settings=build-dir="build/$kind-{wheel_tag}" \
  --config-settings=cmake.build-type=Debug --config-settings=install.strip=false \
  --config-settings=cmake.define.CMAKE_CXX_FLAGS_DEBUG="$flags" \
  --config-settings=cmake.define.SWITCHBACK_SANITIZE="$sanitizers" .

# As the interpreter is not built with them, their libraries have to come first.
preload=()
for library in "${libraries[@]}"; do preload+=("$("$CXX" -print-file-name="lib$library.so")"); done

# What they report goes into files, as pytest keeps what a test prints until it ends.
reports=$PWD/build/log/$kind-$minor
mkdir -p build/log
rm -f "$reports".*
# Tests of guards expect the signal itself. The interpreter does not free everything at exit, nor
# waits for threads: scripts/leak.sh looks for leaks. ThreadSanitizer takes each stack for a thread, so
# that a recursive lock that a library takes on two of them would be a mistake, or still be locked
# when it is destroyed; races are looked for.
options=log_path=$reports:handle_segv=0:handle_sigbus=0
status=0
env LD_PRELOAD="$(IFS=:; echo "${preload[*]}")" SWITCHBACK_UNDER="$kind" \
  PYTHONMALLOC=malloc PYTHONPATH="$site" \
  ASAN_OPTIONS="$options:detect_leaks=0" UBSAN_OPTIONS="$options:print_stacktrace=1" \
  TSAN_OPTIONS="$options:report_thread_leaks=0:report_mutex_bugs=0:report_destroy_locked=0" \
  "$python" -m pytest -p no:cacheprovider -o timeout=600 "$@" || status=$?

# AddressSanitizer also notes, as no error, that a greenlet has left a stack without its knowledge.
mapfile -t reported < <(grep -lsE 'ERROR: |SUMMARY: |CHECK failed|runtime error: ' "$reports".*)
if [[ ${#reported[@]} != 0 ]]; then
  head -n 80 "${reported[@]}"
  die "the sanitizers have reported something, see ${reported[*]}"
fi
exit "$status"
