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
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  missing=()
  command -v gcc >/dev/null || missing+=(gcc libc6-dev)
  command -v chromedriver >/dev/null || missing+=(chromium chromium-driver)
  if [ ${#missing[@]} -gt 0 ]; then
    echo "Installing ${missing[*]}"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq \
      --no-install-recommends "${missing[@]}" >/dev/null || echo "Going on without them" >&2
  fi
fi
"$PYTHON_IN_VENV" -m ruff check .
"$PYTHON_IN_VENV" -m ruff format --check .
exec "$PYTHON_IN_VENV" -m pytest "$@"
