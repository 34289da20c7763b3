# Shared by the scripts: where things are, which Pythons there are, and what has to be installed.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

# Read by the scripts that source this file.
# shellcheck disable=SC2034
read -ra minors <<<"${SWITCHBACK_MINORS:-3.11 3.12 3.13 3.14 3.15}"

say() { printf '\n== %s\n' "$*"; }
note() { printf '%s\n' "$*"; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# What an interpreter says of itself: "3.12", then what it lacks for our purpose: "venv", "headers".
# Prints nothing where it is no CPython with a GIL.
describe_python() {
  "$1" -I - 2>/dev/null <<'PYTHON'
import importlib.util, os, sys, sysconfig
if sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED"):
    lacks = []
    if not all(map(importlib.util.find_spec, ("venv", "ensurepip"))):
        lacks.append("venv")
    headers = sysconfig.get_paths()["include"]
    if not os.path.exists(os.path.join(headers, "internal", "pycore_frame.h")):
        lacks.append("headers")
    print("%d.%d" % sys.version_info[:2], *lacks)
PYTHON
}

# The places where a Python of this minor may be, best first. SWITCHBACK_PYTHONS, a list of
# interpreters separated by spaces or colons, stands in for all of them.
python_candidates() {
  local minor=$1 root
  if [[ -n ${SWITCHBACK_PYTHONS:-} ]]; then
    xargs -n 1 <<<"${SWITCHBACK_PYTHONS//:/ }"
    return
  fi
  type -ap "python$minor" || true
  for root in "${PYENV_ROOT:-}" "$HOME/.pyenv"; do
    [[ -n $root ]] || continue
    compgen -G "$root/versions/$minor.*/bin/python" | sort -rV || true
  done
  printf '%s\n' "/usr/bin/python$minor" "/usr/local/bin/python$minor"
}

# Sets `python` to an interpreter of this minor and `python_lacks` to what it lacks. One that is
# complete is preferred. A candidate is tried by running it: a pyenv shim may exist and not run.
# shellcheck disable=SC2034
find_python() {
  local minor=$1 candidate described
  python='' python_lacks=''
  while read -r candidate; do
    [[ -n $candidate ]] || continue
    described=$(describe_python "$candidate") || continue
    [[ ${described%% *} == "$minor" ]] || continue
    if [[ $described == "$minor" ]]; then
      python=$candidate python_lacks=''
      return 0
    fi
    if [[ -z $python ]]; then
      python=$candidate python_lacks=${described#"$minor" }
    fi
  done < <(python_candidates "$minor")
  [[ -n $python ]]
}

is_ready() { [[ -e .venvs/$1/.ready ]] && find_python "$1"; }

# The minors that setup has made a virtual environment for, oldest first.
ready_minors() {
  local minor ready=()
  for minor in "${minors[@]}"; do
    if is_ready "$minor"; then ready+=("$minor"); fi
  done
  printf '%s\n' "${ready[@]}"
}

# The minor that the tools run on where one Python is enough.
main_minor() { ready_minors | tail -n 1; }

has_header() { echo "#include <$1>" | "${CXX:-g++}" -std=c++20 -E -x c++ - >/dev/null 2>&1; }

knows_cpp20() { echo 'int main() {}' | "${CXX:-g++}" -std=c++20 -fsyntax-only -x c++ - 2>/dev/null; }

# Whether Boost.Context is there as a static library.
has_boost_context() {
  # Where the environment says where Boost is, CMake looks there.
  if compgen -e | grep -qiE '^(boost|cmake_)'; then return 0; fi
  has_header boost/context/detail/fcontext.hpp &&
    [[ $("${CXX:-g++}" -print-file-name=libboost_context.a) == /* ]]
}

# Installs Debian packages, or says in one line which ones are needed.
install_packages() {
  [[ $# -gt 0 ]] || return 0
  if ! command -v apt-get >/dev/null; then
    local like=''
    if [[ " $* " =~ ' g++ '|' libboost-context-dev ' ]]; then
      like=': dnf install gcc-c++ boost-devel boost-static, apk add g++ boost-dev boost-static,'
      like+=' or brew install boost'
    fi
    die "missing, by the names of Debian: $*. Install their like on this system$like"
  fi
  local as_root=()
  if [[ $(id -u) != 0 ]]; then as_root=(sudo -n); fi
  if ! "${as_root[@]}" true 2>/dev/null; then
    die "missing, and root alone can install it: sudo apt-get install $*"
  fi
  note "installing with apt-get: $*"
  # A new machine has no package lists yet, an old one has stale ones.
  local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
    apt-get install -qq -y --no-install-recommends "$@")
  "${install[@]}" >/dev/null 2>&1 && return 0
  "${as_root[@]}" apt-get update -qq || true
  "${install[@]}" >/dev/null || die "apt-get could not install: $*"
}

# Installs requirement files into a virtual environment unless they are there, unchanged.
install_requirements() {
  local venv=$1 name sum
  shift
  for name in "$@"; do
    sum=$(sha256sum "requirements/$name.txt")
    if [[ $(cat "$venv/.requirements-$name" 2>/dev/null) == "$sum" ]]; then continue; fi
    note "installing requirements/$name.txt in $venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
      -r "requirements/$name.txt"
    echo "$sum" >"$venv/.requirements-$name"
  done
}

# Installs the libraries that call back, with one folder for each version of pybind11. A library that
# has no wheel for this Python is left out, and its tests are skipped.
install_foreign() {
  local venv=$1 file name sum
  for file in requirements/foreign.txt requirements/pybind11-*.txt; do
    name=$(basename "$file" .txt)
    sum=$(sha256sum "$file")
    if [[ $(cat "$venv/.requirements-$name" 2>/dev/null) == "$sum" ]]; then continue; fi
    note "installing $file in $venv"
    local into=()
    if [[ $name == pybind11-* ]]; then into=(--upgrade --target "$venv/$name"); fi
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
      "${into[@]}" -r "$file" || note "$file: not installed, its tests are skipped"
    echo "$sum" >"$venv/.requirements-$name"
  done
}

# Unpacks the source distributions whose own test suites are run. Without a network they are left
# out, and the tests that run them are skipped.
install_sources() {
  local venv=$1 file=requirements/sources.txt sum archive
  sum=$(sha256sum "$file")
  if [[ $(cat "$venv/.requirements-sources" 2>/dev/null) == "$sum" ]]; then return; fi
  note "unpacking $file in $venv/sources"
  rm -rf "$venv/sources"
  mkdir -p "$venv/sources"
  "$venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps \
    --no-binary :all: --dest "$venv/sources" -r "$file" ||
    note "$file: not downloaded, its tests are skipped"
  for archive in "$venv/sources"/*.tar.gz; do
    if [[ -e $archive ]]; then tar -xzf "$archive" -C "$venv/sources"; fi
  done
  echo "$sum" >"$venv/.requirements-sources"
}

# With QUICK=1 in the environment the longer checks do less, for continuous integration.
is_quick() { [[ -n ${QUICK:-} ]]; }

# The last line that pytest prints.
# shellcheck disable=SC2034
pytest_closing='^(=+ )?[0-9]+ (passed|failed|skipped|error|xfailed).* in [0-9.]+s'

summary=()
failures=0

# Runs a command and keeps its outcome: record NAME PATTERN COMMAND...
# The last line of its output that matches the pattern goes into the summary.
record() {
  local name=$1 pattern=$2 outcome=passed closing log
  shift 2
  mkdir -p build/log
  log="build/log/$(basename "$0" .sh)-${name//[ ,]/-}.txt"
  say "$name"
  if ! "$@" 2>&1 | tee "$log"; then
    outcome=FAILED
    failures=$((failures + 1))
  fi
  closing=$(grep -E "$pattern" "$log" | tail -n 1 | tr -d '=' | xargs) || true
  note_outcome "$name" "$outcome" "$closing"
}
note_outcome() { summary+=("$(printf '%-16s %-7s %s' "$1" "$2" "$3")"); }

# Prints what record() has kept, and ends the script with an error if anything has failed.
print_summary() {
  say "$*: summary"
  printf '%s\n' "${summary[@]}"
  if [[ $failures != 0 ]]; then die "$failures of the steps above failed"; fi
}
