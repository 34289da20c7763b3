#!/usr/bin/env bash
# Checks how the source is written, without running it. "lint.sh --fix" formats what it can.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh lint
PATH="$PWD/.venvs/$(main_minor)/bin:$PATH"
failures=0

# Runs a command and counts its failure: check NAME COMMAND...
check() {
  local name=$1
  shift
  if "$@"; then
    note "ok: $name"
  else
    note "FAILED: $name"
    failures=$((failures + 1))
  fi
}

existing() {
  local path
  for path in "$@"; do if [[ -e $path ]]; then note "$path"; fi; done
}
mapfile -t directories < <(existing src include tests/core benchmarks examples)
mapfile -t cpp_files < <(find "${directories[@]}" -name '*.?pp' | sort)
mapfile -t python_paths < <(existing python scripts tests benchmarks examples docs)
mapfile -t prose < <(existing ./*.md docs)

if [[ ${1:-} == --fix ]]; then
  clang-format -i "${cpp_files[@]}"
  ruff check --quiet --fix "${python_paths[@]}" || true
  ruff format --quiet "${python_paths[@]}"
fi

check 'the rules of the house' python scripts/lint_house.py
check 'the rules of the prose' python scripts/lint_prose.py
check 'clang-format' clang-format --dry-run -Werror "${cpp_files[@]}"
check 'ruff check' ruff check --quiet "${python_paths[@]}"
check 'ruff format' ruff format --quiet --check "${python_paths[@]}"
check 'codespell' codespell --ignore-words-list=asend "${directories[@]}" python tests scripts requirements Makefile \
  ./*.toml "${prose[@]}"
check 'shellcheck' shellcheck -x scripts/*.sh .ci/run

# Needs to know how each file is compiled.
cmake --preset debug-tests -DSWITCHBACK_MODULE=ON -DPython_EXECUTABLE="$(command -v python)" \
  -B build/tidy --log-level=WARNING >/dev/null
check 'clang-tidy' run-clang-tidy.py -quiet -p build/tidy -warnings-as-errors='*' \
  "^$PWD/(src|tests/core)/"

if [[ $failures != 0 ]]; then die "$failures of the checks above failed"; fi
