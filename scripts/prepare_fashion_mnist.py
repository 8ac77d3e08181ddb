"""Turns the Fashion-MNIST files of Debian into .npz files.

  apt-get install dataset-fashion-mnist
  python scripts/prepare_fashion_mnist.py --output_dir=data
  python -m sagan_tf.train --flagfile=configs/fashion_mnist.flags \\
      --dataset=npz:data/fashion_mnist_train.npz --workdir=runs/fashion_mnist

The input can be any folder with the four original idx files, gzipped or not.
Fashion-MNIST has 60,000 + 10,000 gray images of 28 x 28 pixels in 10 classes; Zalando
SE, MIT license.
"""

import argparse
import gzip
import os
import struct
import sys

import numpy as np

from sagan_tf.errors import BAD_INPUT, BadInput
from sagan_tf.files import replacing

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_PARTS = {"train": "train", "test": "t10k"}


def read_idx(path):
    """Reads an idx file of bytes: uint8 array of the shape in its header.

    Raises:
      BadInput: the file is missing, damaged or of another type.
    """
    packed = path + ".gz"
    try:
        if os.path.exists(packed):
            with gzip.open(packed) as file:
                data = file.read()
        else:
            with open(path, "rb") as file:
                data = file.read()
    except FileNotFoundError:
        raise BadInput(
            f"There is no file {packed}. Try: apt-get install dataset-fashion-mnist, "
            "or --input_dir=DIR with the four idx files."
        ) from None
    except (OSError, EOFError) as error:
        raise BadInput(f"{packed} cannot be read: {error}.") from error
    # Two zeros, the type (8: unsigned bytes), the number of axes, the length of each.
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise BadInput(f"{path} is not an idx file of bytes. Received: {data[:4]!r}.")
    axes = data[3]
    shape = (
        struct.unpack_from(f">{axes}I", data, 4) if len(data) >= 4 + 4 * axes else ()
    )
    if len(data) != 4 + 4 * axes + np.prod(shape, dtype=np.int64) or not shape:
        raise BadInput(
            f"{path} must have {shape} bytes after its header. Received: {len(data)} "
            "bytes in all. Try copying it again."
        )
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)


def prepare(input_dir, output_dir):
    """Writes fashion_mnist_train.npz and fashion_mnist_test.npz; returns their paths.

    Each has `images` uint8 (N, 28, 28, 1), `labels` uint8 (N,), `class_names` (10,).
    """
    os.makedirs(output_dir, exist_ok=True)
    paths = []
    for part, prefix in _PARTS.items():
        images = read_idx(os.path.join(input_dir, f"{prefix}-images-idx3-ubyte"))
        labels = read_idx(os.path.join(input_dir, f"{prefix}-labels-idx1-ubyte"))
        if images.ndim != 3 or labels.shape != images.shape[:1] or labels.max() > 9:
            raise BadInput(
                f"{input_dir} must hold images (N, H, W) with labels (N,) in 0..9. "
                f"Received for '{prefix}': {images.shape} and {labels.shape}."
            )
        path = os.path.join(output_dir, f"fashion_mnist_{part}.npz")
        arrays = {
            "images": images[..., None],
            "labels": labels,
            "class_names": np.array(CLASS_NAMES),
        }
        with replacing(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **arrays)
        paths.append(path)
    return paths


def main():
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--input_dir",
        default="/usr/share/datasets/fashion-mnist",
        help="folder with the idx files (default: %(default)s)",
    )
    parser.add_argument(
        "--output_dir", default="data", help="where to write (default: %(default)s)"
    )
    arguments = parser.parse_args()
    try:
        for path in prepare(arguments.input_dir, arguments.output_dir):
            print(f"Wrote {path}.")
    except (BadInput, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(BAD_INPUT)


if __name__ == "__main__":
    main()
