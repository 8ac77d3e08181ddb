# The training image, for machines with NVIDIA GPUs (the host brings the driver and the
# NVIDIA Container Toolkit). From the root of the repository:
#
#   docker build -f docker/train.Dockerfile -t sagan-tf-train .
#   docker run --rm --gpus=all -v "$PWD/runs:/runs" sagan-tf-train \
#     python3 -m sagan_tf.train --flagfile=configs/digits.flags --workdir=/runs/digits
#
# CUDA, cuDNN and NCCL come with tensorflow[and-cuda], in the versions that it was built
# for (CUDA 12); the base image gives the container access to the driver.
FROM nvidia/cuda:12.6.3-base-ubuntu24.04

# No versions: Ubuntu keeps only the newest of each package, so a pin soon fails.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*

ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1
RUN python3 -m venv "$VIRTUAL_ENV"

WORKDIR /opt/sagan_tf
COPY setup.py pyproject.toml README.md LICENSE ./
COPY sagan_tf sagan_tf
RUN pip install --no-cache-dir "/opt/sagan_tf[gpu]"
COPY configs configs
COPY docker/train_worker.sh docker/train_worker.sh
