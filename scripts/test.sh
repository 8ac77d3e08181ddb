#!/usr/bin/env bash
# Runs every test: makes or reuses .venv, installs the test extra, lints, pytest.
#
#   scripts/test.sh                     everything
#   scripts/test.sh -k config           arguments go to pytest
#
# PYTHON and VENV choose the interpreter and the environment: see scripts/venv.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/venv.sh

prepare_venv test
# A compiler for the program that loads an export, a browser for the attention page.
# Where they cannot be installed, their tests say so.
missing=()
command -v gcc >/dev/null || missing+=(gcc libc6-dev)
command -v chromedriver >/dev/null || missing+=(chromium chromium-driver)
as_root=
[ "$(id -u)" = 0 ] || as_root="sudo -n"
if [ ${#missing[@]} -gt 0 ] && $as_root apt-get --version >/dev/null 2>&1; then
  echo "Installing ${missing[*]}"
  $as_root apt-get update -qq &&
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq \
      --no-install-recommends "${missing[@]}" >/dev/null ||
    echo "Could not install them: going on without" >&2
fi
"$PYTHON_IN_VENV" -m ruff check .
"$PYTHON_IN_VENV" -m ruff format --check .
if [ $# -gt 0 ]; then
  exec "$PYTHON_IN_VENV" -m pytest "$@"
fi
# In three processes: TensorFlow keeps what it has traced and compiled, some 10 GB in each.
status=0
"$PYTHON_IN_VENV" -m pytest -m "not slow" || status=$?
"$PYTHON_IN_VENV" -m pytest -m slow --ignore=tests/xla_test.py || status=$?
"$PYTHON_IN_VENV" -m pytest -m slow tests/xla_test.py || status=$?
exit $status
