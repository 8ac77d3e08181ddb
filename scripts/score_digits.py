"""Measures how readable and how varied the digits of a run are.

    python scripts/score_digits.py --workdir=runs/digits

A support vector machine learns real digits and reads 1,000 generated ones. Recall and
coverage come from the last evaluation of this checkpoint: a generator that draws few
images of a class has a low recall, however far apart two images of a class are.
Exit status: 0 passed, 2 bad input, 8 the digits are not good enough.
"""

import pathlib
import sys

import numpy as np
from absl import flags
from scipy.spatial.distance import pdist
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from sagan_tf.errors import FINISHED, BadInput
from sagan_tf.settings.command import load, required, run_command

PER_CLASS = 100
LEAST = {"read": 0.9, "recall": 0.2, "coverage": 0.6, "variety": 0.4}
TEXTS = {
    "read": "read as their label",
    "recall": "recall",
    "coverage": "coverage",
    "variety": "distance within class",
}
# sagan_tf/errors.py has the other exit statuses.
NOT_GOOD_ENOUGH = 8


def shrink(images):
    """Shrinks images (N, R, R, 1) in [-1, 1] to (N, 64): 8x8 means, in [0, 1]."""
    count, size = images.shape[:2]
    cell = size // 8
    cells = np.asarray(images).reshape(count, 8, cell, 8, cell)
    return ((cells.mean((2, 4)) + 1) / 2).reshape(count, 64)


def distance_within_class(digits, labels):
    """Averages over classes the mean Euclidean distance of two digits of a class."""
    return np.mean([pdist(digits[labels == c]).mean() for c in range(10)])


def score(generator, z_dim):
    """Scores a generator of digits.

    Args:
        generator: `keras.Model`, `[z, labels] -> images (N, R, R, 1)`, R a multiple
            of 8, of 10 classes.
        z_dim: int.

    Returns:
        Dict: `read`, the share of generated digits that the classifier reads as their
        label, and `held_out`, that of real ones; `variety`, the mean distance within a
        class over that of real digits.
    """
    real, real_labels = load_digits(return_X_y=True)
    real = real / 16
    train, test, train_labels, test_labels = train_test_split(
        real, real_labels, test_size=500, stratify=real_labels, random_state=0
    )
    classifier = SVC(C=10).fit(train, train_labels)
    labels = np.repeat(np.arange(10, dtype="int32"), PER_CLASS)
    z = load("sagan_tf.model.latents").draw_z(range(len(labels)), z_dim).numpy()
    images = generator.predict([z, labels], batch_size=PER_CLASS, verbose=0)
    fakes = shrink(images)
    return {
        "held_out": classifier.score(test, test_labels),
        "read": classifier.score(fakes, labels),
        "variety": distance_within_class(fakes, labels)
        / distance_within_class(real, real_labels),
    }


def evaluated(workdir, step):
    """Reads the metrics of the last evaluation of a step: dict of name to float.

    Raises:
        BadInput: the step has no evaluation.
    """
    records = load("sagan_tf.run.records")
    path = pathlib.Path(workdir) / records.EVALUATIONS
    lines = records.read_metrics(path)
    metrics = [line["metrics"] for line in lines if line["step"] == step]
    if not metrics:
        raise BadInput(
            f"score_digits needs an evaluation of step {step}. Received: none in "
            f"{path}. Try sagan_tf.evaluate first, as scripts/quickstart.sh does."
        )
    return metrics[-1]


def main(values):
    """Prints the score of the newest checkpoint."""
    workdir = required(values, "workdir", "runs/digits")
    building = load("sagan_tf.run.building")
    generator, config, _, step = building.load_generator(workdir)
    if (config.num_classes, config.image_channels) != (10, 1):
        raise BadInput(
            "score_digits needs gray images of 10 classes. "
            f"Received: num_classes={config.num_classes}, "
            f"image_channels={config.image_channels}. "
            "Try a run of configs/digits.flags."
        )
    result = score(generator, config.z_dim) | evaluated(workdir, step)
    print(f"Step {step}, {10 * PER_CLASS} generated digits:")
    for name, least in LEAST.items():
        print(f"  {TEXTS[name]:23}{result[name]:.3f} (at least {least})")
    print(f"  held-out real digits   {result['held_out']:.1%} read correctly")
    passed = all(result[name] >= least for name, least in LEAST.items())
    print("PASSED" if passed else "NOT GOOD ENOUGH")
    return FINISHED if passed else NOT_GOOD_ENOUGH


def define(values):
    """Defines the flags."""
    flags.DEFINE_string("workdir", None, "folder of the run", flag_values=values)


if __name__ == "__main__":
    sys.exit(run_command(main, define, __doc__))
