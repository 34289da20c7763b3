#!/usr/bin/env bash
# Runs the C++ tests and pytest with AddressSanitizer, UndefinedBehaviorSanitizer and assertions.
# Arguments are passed on to pytest. The Python is the newest found, or MINOR from the environment.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/cpp-test.sh asan

minor=${MINOR:-$(main_minor)}
python=$PWD/.venvs/$minor/bin/python
site=$PWD/build/asan-site-$minor
export CXX=g++
export PATH="$PWD/.venvs/$minor/bin:$PATH"

say "Python $minor"
rm -rf "$site"
"$python" -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps \
  --target "$site" --config-settings=build-dir='build/asan-{wheel_tag}' \
  --config-settings=cmake.build-type=Debug --config-settings=install.strip=false \
  --config-settings=cmake.define.CMAKE_CXX_FLAGS_DEBUG='-O1 -g' \
  --config-settings=cmake.define.SWITCHBACK_SANITIZE=address,undefined .

# The interpreter itself is not built with the sanitizers, so their libraries have to come first;
# nor does it free everything at exit, so leaks are looked for elsewhere.
preload=$("$CXX" -print-file-name=libasan.so):$("$CXX" -print-file-name=libubsan.so)
env LD_PRELOAD="$preload" PYTHONMALLOC=malloc PYTHONSAFEPATH=1 PYTHONPATH="$site" \
  ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 \
  "$python" -m pytest -p no:cacheprovider -o timeout=600 "$@"
