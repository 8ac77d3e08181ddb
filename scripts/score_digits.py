"""Says how readable and how various the digits of a run are.

    python scripts/score_digits.py --workdir=runs/digits

A support vector machine is fitted on real digits and reads 1,000 generated ones. How
various they are is the mean distance between two pictures of a class, as a share of the
real digits': a generator that has collapsed to one picture per class scores near 0.
Exit status: 0 passed, 2 bad input, 5 the digits are not good enough.
"""

import sys

import numpy as np
from absl import flags
from scipy.spatial.distance import pdist
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from sagan_tf.settings.command import load, required, run_command

building, latents = load("sagan_tf.run.building"), load("sagan_tf.model.latents")

PER_CLASS = 100
# Two runs that differed in rounding alone ended at 0.94 and 0.55, and at 0.99 and 0.48.
LEAST_READ, LEAST_VARIOUS = 0.9, 0.4
NOT_GOOD_ENOUGH = 5


def shrink(images):
    """Images (N, R, R, 1) in [-1, 1] to (N, 64): 8x8 means, in [0, 1]."""
    count, size = images.shape[:2]
    cell = size // 8
    cells = np.asarray(images).reshape(count, 8, cell, 8, cell)
    return ((cells.mean((2, 4)) + 1) / 2).reshape(count, 64)


def distance_within_class(digits, labels):
    """Mean Euclidean distance of two digits of a class, averaged over classes."""
    return np.mean([pdist(digits[labels == c]).mean() for c in range(10)])


def score(generator, z_dim):
    """Scores a generator of digits.

    Args:
        generator: `keras.Model`, `[z, labels] -> images (N, R, R, 1)`, R a multiple
            of 8, of 10 classes.
        z_dim: int.

    Returns:
        Dict: `held_out`, the share of held-out real digits that the classifier reads
        correctly; `read`, of generated digits as what was asked for; `various`, the
        mean distance within a class over that of real digits.
    """
    real, real_labels = load_digits(return_X_y=True)
    real = real / 16
    train, test, train_labels, test_labels = train_test_split(
        real, real_labels, test_size=500, stratify=real_labels, random_state=0
    )
    classifier = SVC(C=10).fit(train, train_labels)
    labels = np.repeat(np.arange(10, dtype="int32"), PER_CLASS)
    z = latents.draw_z(range(len(labels)), z_dim).numpy()
    images = generator.predict([z, labels], batch_size=PER_CLASS, verbose=0)
    fakes = shrink(images)
    return {
        "held_out": classifier.score(test, test_labels),
        "read": classifier.score(fakes, labels),
        "various": distance_within_class(fakes, labels)
        / distance_within_class(real, real_labels),
    }


def main(values):
    """Prints the score of the newest checkpoint."""
    workdir = required(values, "workdir", "runs/digits")
    generator, config, _, step = building.load_generator(workdir)
    if (config.num_classes, config.image_channels) != (10, 1):
        raise ValueError(
            "score_digits scores grey pictures of 10 classes. "
            f"Received: num_classes={config.num_classes}, "
            f"image_channels={config.image_channels}. "
            "Try a run of configs/digits.flags."
        )
    result = score(generator, config.z_dim)
    print(f"Step {step}, {10 * PER_CLASS} generated digits:")
    print(f"  read as asked for      {result['read']:.1%} (at least {LEAST_READ:.0%})")
    print(
        f"  distance within class  {result['various']:.2f} of the real digits' "
        f"(at least {LEAST_VARIOUS})"
    )
    print(f"  held-out real digits   {result['held_out']:.1%} read correctly")
    passed = result["read"] >= LEAST_READ and result["various"] >= LEAST_VARIOUS
    print("PASSED" if passed else "NOT GOOD ENOUGH")
    return 0 if passed else NOT_GOOD_ENOUGH


def define(values):
    """Defines the flags."""
    flags.DEFINE_string("workdir", None, "the run", flag_values=values)


if __name__ == "__main__":
    sys.exit(run_command(main, define, __doc__))
