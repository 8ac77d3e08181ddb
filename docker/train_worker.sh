#!/usr/bin/env bash
# Trains as one of several workers. docker/compose.yaml and docker/tfjob.yaml start this
# command once on each machine. TF_CONFIG names the workers and this one.
#
#   WORKDIR=/runs/imagenet FLAGFILE=configs/imagenet_multi_worker.flags \
#     docker/train_worker.sh [--more_flags=...]
#
# WORKDIR must be the same folder for all workers. PYTHON chooses the interpreter.
# The exit status is that of sagan_tf.train. After 3 (stopped) and 5 (another worker is
# lost), the same command on all machines resumes from the last checkpoint.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# With exec, signals reach the training, which saves a checkpoint and stops.
exec "${PYTHON:-python3}" -m sagan_tf.train \
  --flagfile="${FLAGFILE:-configs/imagenet_multi_worker.flags}" \
  --workdir="${WORKDIR:?is the folder of the run, shared by all workers}" \
  --strategy=multi_worker \
  "$@"
