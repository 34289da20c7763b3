#!/usr/bin/env bash
# Builds the source distribution, and from it a wheel, in dist/; looks into both, and tries the wheel
# in an environment of its own. Runs on the newest Python found, or on MINOR from the environment.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

scripts/setup.sh
minor=${MINOR:-$(main_minor)}
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT
tools=$temporary/tools
".venvs/$minor/bin/python" -m venv "$tools"
"$tools/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements/dist.txt
PATH="$tools/bin:$PATH"

# -P: build/ here is not the package of that name.
say 'source distribution and wheel'
rm -rf dist
python -P -m build --outdir dist .
sdist=$(echo dist/*.tar.gz) wheel=$(echo dist/*.whl)
twine check --strict dist/*

say 'what is in them'
# Nothing that git does not know, and nothing that it knows is missing.
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  diff <(git ls-files | LC_ALL=C sort) \
    <(tar -tf "$sdist" | cut -d/ -f2- | grep -vx PKG-INFO | LC_ALL=C sort) ||
    die "$sdist differs from what git has"
fi
diff <(cd python/switchback && find . -name '*.py' -o -name '*.pyi' -o -name py.typed | cut -c3- | sort) \
  <(python -m zipfile -l "$wheel" | awk '{print $1}' | sed -n 's:^switchback/::p' |
    grep -v '^_engine\..*\.so$' | sort) || die "$wheel differs from python/switchback/"

say 'what the wheel needs'
python -m zipfile -e "$wheel" "$temporary/wheel"
engine=$(echo "$temporary"/wheel/switchback/_engine*.so)
readelf -dW "$engine" | grep NEEDED
if readelf -dW "$engine" | grep 'NEEDED.*boost'; then die "$wheel needs Boost at run time"; fi
auditwheel show "$wheel"
# Fails where the wheel needs a library that is not on every Linux.
auditwheel repair --wheel-dir "$temporary/repaired" "$wheel"
repaired=$(echo "$temporary"/repaired/*.whl)
if python -m zipfile -l "$repaired" | grep '\.libs/'; then die "$wheel needs what is not its own"; fi

say 'the wheel in use'
".venvs/$minor/bin/python" -m venv "$temporary/clean"
"$temporary/clean/bin/python" -m pip install --quiet --disable-pip-version-check --no-index \
  "$repaired"
"$temporary/clean/bin/python" examples/quickstart.py
note "ok: $sdist, $wheel; repaired, it is $(basename "$repaired")"
