#!/usr/bin/env bash
# From nothing to pictures: makes .venv, installs, trains configs/digits.flags to the
# end, and says where the pictures are and how good they are. Stopped at any moment,
# it goes on where it was when it is started again.
#
#   scripts/quickstart.sh
#   scripts/quickstart.sh --total_steps=200      arguments go to sagan_tf.train
#
# WORKDIR is the folder of the run (default: runs/digits).
# PYTHON and VENV choose the interpreter and the environment: see scripts/venv.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/venv.sh

workdir=${WORKDIR:-runs/digits}
prepare_venv
"$PYTHON_IN_VENV" -m sagan_tf.train --flagfile=configs/digits.flags \
  --workdir="$workdir" "$@"
"$PYTHON_IN_VENV" -m sagan_tf.sample --workdir="$workdir" --seeds=0-9 --labels=all \
  --output="$workdir/digits.png"
"$PYTHON_IN_VENV" scripts/score_digits.py --workdir="$workdir"
