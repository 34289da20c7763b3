#!/usr/bin/env bash
# Makes the machine ready: missing Debian packages, and one virtual environment a Python.
# Arguments name what else is needed: gtest, benchmark, clang, arm64, valgrind and wrk as Debian
# packages; bench, demo and lint as requirements/*.txt; foreign as libraries for each Python.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# Set by a script that has done this for all of the scripts it calls.
if [[ -n ${SWITCHBACK_IS_SET_UP:-} ]]; then exit 0; fi

mkdir -p .venvs
if command -v flock >/dev/null; then
  exec 9>.venvs/.lock
  flock 9
fi

packages=() requirements=() with_foreign=
if ! command -v "${CXX:-g++}" >/dev/null; then
  packages+=(g++)
elif ! knows_cpp20; then
  die "${CXX:-g++} does not compile C++20, which GCC 10 and Clang 10 do. Name another one in CXX"
fi
has_boost_context || packages+=(libboost-context-dev)
for feature in "$@"; do
  case $feature in
    gtest) has_header gtest/gtest.h || packages+=(libgtest-dev) ;;
    benchmark) has_header benchmark/benchmark.h || packages+=(libbenchmark-dev) ;;
    clang) command -v clang++ >/dev/null || packages+=(clang) ;;
    arm64)
      command -v aarch64-linux-gnu-g++ >/dev/null || packages+=(g++-aarch64-linux-gnu)
      command -v qemu-aarch64-static >/dev/null || packages+=(qemu-user-static)
      command -v mmdebstrap >/dev/null || packages+=(mmdebstrap)
      ;;
    valgrind | wrk) command -v "$feature" >/dev/null || packages+=("$feature") ;;
    foreign) with_foreign=1 ;;
    demo | bench | lint) requirements+=("$feature") ;;
    *) die "setup: unknown feature '$feature'" ;;
  esac
done

for minor in "${minors[@]}"; do
  find_python "$minor" || continue
  # Only the system's own Python comes without parts of it.
  if [[ -n $python_lacks && $python == /usr/bin/* ]]; then
    [[ $python_lacks == *venv* ]] && packages+=("python$minor-venv")
    [[ $python_lacks == *headers* ]] && packages+=("python$minor-dev")
  fi
done
install_packages "${packages[@]}"

found=0
for minor in "${minors[@]}"; do
  if ! find_python "$minor"; then
    note "Python $minor: not found, NOT tested"
    continue
  fi
  if [[ -n $python_lacks ]]; then
    note "Python $minor: $python lacks $python_lacks, NOT tested"
    continue
  fi
  venv=.venvs/$minor
  identity=$("$python" -I -c 'import sys; print(sys.version, sys.base_prefix)')
  if [[ $(cat "$venv/.ready" 2>/dev/null) != "$identity" ]]; then
    note "Python $minor: making $venv with $python"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    install_requirements "$venv" build test
    echo "$identity" >"$venv/.ready"
  else
    install_requirements "$venv" build test
  fi
  if [[ -n $with_foreign ]]; then
    install_foreign "$venv"
    install_sources "$venv"
  fi
  found=$((found + 1))
done
if [[ $found == 0 ]]; then
  die "no CPython of ${minors[*]} with venv and headers. Install one, on Debian with" \
    "'apt-get install python3-venv python3-dev', or name them in SWITCHBACK_PYTHONS."
fi

# What only some targets need goes where they run.
if [[ ${#requirements[@]} != 0 ]]; then
  install_requirements ".venvs/$(main_minor)" "${requirements[@]}"
fi
