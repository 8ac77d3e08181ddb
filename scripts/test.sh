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
"$PYTHON_IN_VENV" -m ruff check .
"$PYTHON_IN_VENV" -m ruff format --check .
exec "$PYTHON_IN_VENV" -m pytest "$@"
