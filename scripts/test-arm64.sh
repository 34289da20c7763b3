#!/usr/bin/env bash
# Runs the C++ tests and pytest for AArch64: cross-compiled, then emulated by QEMU with the Python of
# Debian 12. Arguments are passed on to pytest.
# SWITCHBACK_ARM64_PAGES is a list of page sizes: "4096 16384 65536" unless told, of which the first
# runs everything and the others what depends on the size.
# The root of that Debian is made once, in SWITCHBACK_ARM64_ROOT or the user's cache directory.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

root=${SWITCHBACK_ARM64_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/switchback/arm64}
export SWITCHBACK_ARM64_ROOT=$root
read -ra page_sizes <<<"${SWITCHBACK_ARM64_PAGES:-4096 16384 65536}"
debian=bookworm python=3.11
in_root=(coreutils dash python3 "libpython$python-dev" "libpython$python-testsuite" gcc libc6-dev
  libstdc++-12-dev libboost-context-dev libgtest-dev)

scripts/setup.sh arm64
venv=$PWD/.venvs/$(main_minor)
PATH="$venv/bin:$PATH"

# Packages are unpacked and not configured, which would be done by programs of the other machine.
if [[ $(cat "$root/.ready" 2>/dev/null) != "${in_root[*]}" ]]; then
  say "unpacking Debian $debian for arm64 in $root"
  as_root=()
  if [[ $(id -u) != 0 ]]; then as_root=(sudo -n); fi
  # Nothing is removed that was not made here, nor what is mounted in it.
  if [[ -e $root && ! -e $root/.ready ]]; then
    die "test-arm64: $root exists and is not a root that was completed here; move it away"
  fi
  "${as_root[@]}" rm -rf --one-file-system "$root"
  mkdir -p "$(dirname "$root")"
  "${as_root[@]}" mmdebstrap --quiet --mode=root --variant=extract --architectures=arm64 \
    --include="$(tr ' ' ',' <<<"${in_root[*]}")" "$debian" "$root"
  "${as_root[@]}" mkdir -p "$root/proc" "$root/source" "$root/site"
  "${as_root[@]}" chown "$(id -u)" "$root"
  echo "${in_root[*]}" >"$root/.ready"
fi

build=$PWD/build/arm64
failures=0

say 'C++ tests'
cmake --preset debug-tests -B "$build/tests" --toolchain "$PWD/scripts/arm64.cmake" \
  --log-level=WARNING
cmake --build "$build/tests" --target switchback_core_tests
for size in "${page_sizes[@]}"; do
  note "pages of $size bytes"
  SWITCHBACK_UNDER=qemu qemu-aarch64-static -p "$size" -L "$root" \
    "$build/tests/tests/core/switchback_core_tests" --gtest_brief=1 \
    2> >(grep -vE '^$|Death tests use fork' >&2) || failures=$((failures + 1))
done

say 'the extension module'
# By the policy, CMake runs the Python that is compiled for, in the emulator.
cmake -S . -B "$build/module" -G Ninja --toolchain "$PWD/scripts/arm64.cmake" \
  --log-level=WARNING -DCMAKE_POLICY_DEFAULT_CMP0190=NEW -DCMAKE_BUILD_TYPE=Release \
  -DSWITCHBACK_WERROR=ON
cmake --build "$build/module"
site=$build/site
# Unlike pip's own, the platforms have to be listed; and there are no packages without wheels.
sum=$(sha256sum requirements/test.txt)
if [[ $(cat "$build/.requirements" 2>/dev/null) != "$sum" ]]; then
  rm -rf "$site"
  grep -v '^curio' requirements/test.txt |
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --target "$site" \
      --only-binary=:all: --implementation cp --python-version "$python" \
      --platform manylinux2014_aarch64 --platform manylinux_2_17_aarch64 \
      --platform manylinux_2_28_aarch64 -r /dev/stdin
  echo "$sum" >"$build/.requirements"
fi
rm -rf "$site/switchback"
cp -r python/switchback "$site/"
cp "$build/module"/_engine*.so "$site/switchback/"

# In namespaces of its own, so that mounts, the registration of the emulator and processes end with
# it. Linux 6.7 and later have a registration for each user namespace; earlier ones need Debian's
# binfmt-support to have made that of the system.
# Usage: in_chroot PAGE_SIZE COMMAND...
in_chroot() {
  unshare --user --map-root-user --mount --pid --fork --kill-child \
    bash -s -- "$root" "$PWD" "$site" "$@" <<'BASH' &
set -euo pipefail
root=$1 source=$2 site=$3 page_size=$4
shift 4
if mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc 2>/dev/null; then
  magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
  mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
  printf '%s' ":aarch64:M::$magic:$mask:$(command -v qemu-aarch64-static):FP" \
    >/proc/sys/fs/binfmt_misc/register
fi
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
mount --bind "$source" "$root/source"
mount --bind "$site" "$root/site"
cd "$root"
# Not as the first process of its namespace, which a signal does not end.
chroot . /usr/bin/env -i -C /source HOME=/tmp PATH=/usr/bin:/bin LANG=C.UTF-8 \
  QEMU_PAGESIZE="$page_size" SWITCHBACK_UNDER=qemu PYTHONPATH=/site PYTHONDONTWRITEBYTECODE=1 \
  ${SWITCHBACK_BACKEND:+SWITCHBACK_BACKEND="$SWITCHBACK_BACKEND"} "$@" </dev/null
BASH
  emulation=$!
  wait "$emulation"
}
# unshare ignores what else would end it, and takes everything with it.
emulation=''
trap 'if [[ -n $emulation ]]; then kill -KILL "$emulation" 2>/dev/null || true; fi' EXIT
trap 'exit 130' INT TERM

pytest=(/usr/bin/python3 -m pytest -p no:cacheprovider -o timeout=900)
for size in "${page_sizes[@]}"; do
  say "Python $python, pages of $size bytes"
  tests=("$@")
  if [[ $size != "${page_sizes[0]}" ]]; then
    tests=(-m page_size)
  fi
  in_chroot "$size" "${pytest[@]}" -q "${tests[@]}" || failures=$((failures + 1))
done

if [[ $failures != 0 ]]; then die "$failures of the runs above have failed"; fi
