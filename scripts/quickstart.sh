#!/usr/bin/env bash
# From nothing to images: makes .venv, installs the package, trains configs/digits.flags
# to the end, and prints where the images are and how good they are. If it is stopped,
# the same command resumes it.
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
python=$PYTHON_IN_VENV
"$python" -m sagan_tf.train --flagfile=configs/digits.flags --workdir="$workdir" "$@"
"$python" -m sagan_tf.sample --workdir="$workdir" --seeds=0-9 --labels=all \
  --output="$workdir/digits.png"

# Measures the quality in the feature space of a classifier that was trained on four
# fifths of the real digits, and for comparison that of the last fifth.
classifier=$workdir/classifier
statistics=$workdir/reference.npz
if [ ! -e "$classifier" ]; then
  "$python" -m sagan_tf.train_classifier --flagfile=configs/digits.flags \
    --output="$classifier"
fi
"$python" -m sagan_tf.reference_statistics --flagfile=configs/digits.flags \
  --split=train --feature_network="$classifier" --output="$statistics"
"$python" -m sagan_tf.evaluate --workdir="$workdir" --feature_network="$classifier" \
  --reference_statistics="$statistics" --samples=digits --samples_split=test
"$python" scripts/score_digits.py --workdir="$workdir"
