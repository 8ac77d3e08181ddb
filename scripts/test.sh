#!/usr/bin/env bash
# Runs every test: makes or reuses .venv, installs the test extra, lints, runs pytest.
#
#   scripts/test.sh                     everything, one process per core
#   scripts/test.sh --fast              without the tests that are marked slow
#   scripts/test.sh -k config           arguments go to pytest, in one process
#   scripts/test.sh -n 2 -k config      the same, in two
#
# PYTHON and VENV choose the interpreter and the environment: see scripts/venv.sh.
# WORKERS is the number of processes; each takes up to 6 GB.
set -euo pipefail
WORKERS=${WORKERS:-$(getconf _NPROCESSORS_ONLN)}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/venv.sh

prepare_venv test
# Installs a compiler for the program that loads an export, and a browser for the pages.
# If they cannot be installed, their tests say so.
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
    echo "Could not install them: continuing without them" >&2
fi
# Installs the runtime of an export's page into node_modules. One file has its version.
if command -v npm >/dev/null && [ ! -d node_modules/onnxruntime-web ]; then
  package=onnxruntime-web@$("$PYTHON_IN_VENV" -c \
    'from sagan_tf.exports import onnxruntime_web; print(onnxruntime_web.TRIED_VERSION)')
  echo "Installing $package"
  npm install --no-save --no-package-lock --ignore-scripts --no-audit --no-fund \
    --silent --prefix . "$package" ||
    echo "Could not install it: continuing without it" >&2
fi
"$PYTHON_IN_VENV" -m ruff check .
"$PYTHON_IN_VENV" -m ruff format --check .
if [ "${1:-}" = --fast ]; then
  shift
  # A file stays in one process: its tests share what they have trained. The order is
  # that of tests/conftest.py, long files first.
  exec "$PYTHON_IN_VENV" -m pytest -n "$WORKERS" --dist loadfile \
    --no-loadscope-reorder -m "not slow" "$@"
fi
if [ $# -gt 0 ]; then
  exec "$PYTHON_IN_VENV" -m pytest "$@"
fi
# Each group has its own process, so that each stays under 6 GB: TensorFlow keeps 0.2 GB
# for each training step that it has traced, even after the model is gone. Long groups
# come first, so that all processes end at the same time.
groups=(
  "tests/evaluation tests/exports"
  "tests/model/sagan_test.py"
  "tests/layers tests/networks tests/data tests/settings tests/hostile"
  "tests/multi_worker_test.py tests/variants_test.py"
  "tests/parity tests/model --ignore=tests/model/sagan_test.py"
  "tests/training --ignore=tests/training/loop_test.py"
  "tests/export_commands_test.py tests/serving_test.py tests/notebooks_test.py"
  "tests/run tests/planning tests/sampling tests/sample_commands_test.py"
  "tests/xla_test.py"
  "tests/training/loop_test.py"
  "tests/end_to_end_test.py tests/evaluate_commands_test.py"
  "tests/importers"
  "tests/attention_maps tests/attention_command_test.py"
)
# The other tests come first, because their duration is not known here.
others=tests
for group in "${groups[@]}"; do
  for path in $group; do
    case $path in -*) ;; *) others="$others --ignore=$path" ;; esac
  done
done
run_group() {
  local log status=0
  log=$(mktemp)
  echo "Running $1"
  # shellcheck disable=SC2086
  "$PYTHON_IN_VENV" -m pytest $1 >"$log" 2>&1 || status=$?
  cat "$log"
  rm "$log"
  return $status
}
export PYTHON_IN_VENV
export -f run_group
echo "Running groups of tests, $WORKERS at a time; each is shown when it ends"
printf '%s\0' "$others" "${groups[@]}" |
  xargs -0 -P "$WORKERS" -n 1 bash -c 'run_group "$1"' run_group || exit 1
