#!/usr/bin/env bash
# Runs pytest on both backends, and the torture lane, on the CPythons of Debian sid: in a root
# directory of its own, made by debootstrap on the first run and kept in the user's cache. By root.
# Arguments name the minors, "3.14" and "3.15" unless told. SWITCHBACK_NEXT_ROOT is the directory,
# SWITCHBACK_NEXT_MIRROR the archive that it is made from; SWITCHBACK_NEXT_LANES has one or more of
# "pytest jit torture mutants bench", of which "jit" runs pytest with the JIT compiler switched on,
# "mutants" tries what is changed there only, and "bench" measures latency and memory.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

root=${SWITCHBACK_NEXT_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/switchback/sid}
mirror=${SWITCHBACK_NEXT_MIRROR:-http://deb.debian.org/debian}
lanes=${SWITCHBACK_NEXT_LANES:-pytest torture mutants}

# Inside of the root directory: tests what has been copied there.
test_here() {
  export SWITCHBACK_MINORS="$*"
  scripts/setup.sh
  export SWITCHBACK_IS_SET_UP=1
  local minor
  for minor in "$@"; do
    if ! is_ready "$minor"; then
      note_outcome "Python $minor" 'NOT tested: no such Python in the archive' ''
      continue
    fi
    if [[ $lanes == *pytest* ]]; then
      record "Python $minor" "$pytest_closing" scripts/pytest.sh "$minor"
      SWITCHBACK_BACKEND=greenlet record "$minor, greenlet" "$pytest_closing" \
        scripts/pytest.sh "$minor"
    fi
    if [[ $lanes == *jit* ]]; then
      PYTHON_JIT=1 record "$minor, jit" "$pytest_closing" scripts/pytest.sh "$minor"
    fi
    if [[ $lanes == *torture* ]]; then
      MINOR=$minor record "$minor, torture" '^[0-9]+ modules, ' scripts/torture.sh
    fi
    if [[ $lanes == *bench* ]]; then
      scripts/build.sh "$minor"
      record "$minor, bench" 'figures were reached$' \
        ".venvs/$minor/bin/python" benchmarks/run.py --output "build/bench/$minor" latency portals
    fi
  done
  if [[ $lanes == *mutants* ]]; then
    MINOR="$*" record mutants '^mutants: ' scripts/mutants.sh --specific
  fi
  print_summary 'make test-next'
}

if [[ ${1:-} == --here ]]; then
  test_here "${@:2}"
  exit
fi

wanted=("$@")
if [[ ${#wanted[@]} == 0 ]]; then wanted=(3.14 3.15); fi
if [[ $(id -u) != 0 ]]; then die "test-next: a root directory can be made and entered by root only"; fi
command -v chroot unshare >/dev/null || die "test-next: needs chroot and unshare, of a Linux system"
# The mounts, and what tests leave running, end with the namespaces that they are in.
if [[ -z ${SWITCHBACK_NEXT_UNSHARED:-} ]]; then
  unshare --mount --pid true 2>/dev/null ||
    die "test-next: this system does not let root make mount and process namespaces (unshare)"
  SWITCHBACK_NEXT_UNSHARED=1 exec unshare --mount --propagation private --pid --fork --kill-child \
    "$0" "${wanted[@]}"
fi
command -v debootstrap >/dev/null || install_packages debootstrap

mkdir -p "$root"
exec 8>"$root.lock"
flock --nonblock 8 || die "test-next: $root is in use by another run"

# In the root directory, with no more of this one's environment than what reaches the archives.
inside() {
  local settings=() name
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY \
    PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST PIP_DEFAULT_TIMEOUT \
    SWITCHBACK_NEXT_LANES; do
    if [[ -n ${!name:-} ]]; then settings+=("$name=${!name}"); fi
  done
  chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PIP_CERT=/etc/ssl/host.crt PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    "${settings[@]}" "$@"
}

if [[ ! -e $root/.made ]]; then
  say "making $root from $mirror"
  rm -rf --one-file-system "$root"
  if ! debootstrap --variant=minbase --include=ca-certificates sid "$root" "$mirror" >"$root.log" 2>&1
  then
    tail -n 5 "$root.log" >&2
    die "test-next: debootstrap failed; see $root.log"
  fi
  touch "$root/.made"
fi
mount -t proc proc "$root/proc"
# The devices are those that debootstrap has made: none of this system's can be reached by removing
# what is in the root directory.
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
cp -L "${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt}" "$root/etc/ssl/host.crt"
if command -v apt-config >/dev/null; then
  apt-config dump | grep -E '^Acquire::(https?::|Check-)' >"$root/etc/apt/apt.conf.d/80host" || true
fi

say "packages in $root"
packages=(g++ libboost-context-dev)
for minor in "${wanted[@]}"; do
  packages+=("python$minor" "python$minor-dev" "python$minor-venv" "libpython$minor-testsuite")
done
inside apt-get update -qq
inside apt-get install -qq -y --no-install-recommends "${packages[@]}" >"$root.log" 2>&1 || {
  tail -n 5 "$root.log" >&2
  die "test-next: apt-get failed; see $root.log"
}
# Where an interpreter has been upgraded, setup.sh makes its virtual environment anew.
for minor in "${wanted[@]}"; do inside "python$minor" -c 'import sys; print(sys.version)'; done

# A copy, so that what is built there stays there; it is kept for the next run.
copy=$root/root/switchback
mkdir -p "$copy"
find "$copy" -mindepth 1 -maxdepth 1 ! -name .venvs ! -name build -exec rm -rf {} +
if git rev-parse --git-dir >/dev/null 2>&1; then
  git ls-files -z --cached --others --exclude-standard
else
  find . -type f ! -path './.venvs/*' ! -path './build/*' -print0
fi | tar -c --null --ignore-failed-read --files-from=- | tar -x -C "$copy"

inside /root/switchback/scripts/test-next.sh --here "${wanted[@]}"
