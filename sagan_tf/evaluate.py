"""Measures generated images: FID, IS, KID, precision and recall, density and coverage.

python -m sagan_tf.evaluate --workdir=runs/imagenet --protocol=official-train-50k
python -m sagan_tf.evaluate --workdir=runs/digits --feature_network=classifiers/digits
python -m sagan_tf.evaluate --samples=folder:generated --reference_statistics=stats.npz

The protocol, the feature network and the real images decide a value: they are printed,
and stored with each line of evaluations.jsonl. --checkpoint=all and --watch skip what
is in that file already.
"""

import sys

from absl import flags

from sagan_tf.errors import FINISHED, BadInput
from sagan_tf.settings.arguments import parse_step
from sagan_tf.settings.command import load, run_command
from sagan_tf.settings.config import PROTOCOLS

# Of one machine: results of other machines are not gathered.
_STRATEGIES = ("default", "mirrored", "tpu")
# What a run was trained with, and what a protocol says: flags replace both.
_SETTINGS = ("protocol", "feature_network", "inception", "reference_statistics")
_CHANGES = ("num_fake", "standing_batches", "seed", "truncation", "ema")


def _define(values):
    for name, default, about in (
        ("workdir", None, "folder of the run"),
        ("checkpoint", "newest", "step, newest, best or all"),
        ("feature_network", None, "inception, or folder of sagan_tf.train_classifier"),
        ("inception", None, "unpacked folder or handle of TF-GAN's Inception module"),
        ("reference_statistics", None, "file of sagan_tf.reference_statistics"),
        ("samples", None, "images to score: folder:DIR, npz:FILE, or as --dataset"),
        ("samples_split", None, "their split"),
        ("saved_model", None, "folder of an exported generator to score"),
        ("output", None, "where results go without --workdir: a .jsonl file"),
    ):
        flags.DEFINE_string(name, default, about, flag_values=values)
    for name, default, least, about in (
        ("num_fake", None, 2, "generated images, in place of the protocol's"),
        ("standing_batches", None, 0, "batches for standing batch-norm statistics"),
        ("seed", None, 0, "of z and labels, in place of the protocol's"),
        ("batch_size", 64, 1, "images on one replica at a time"),
    ):
        flags.DEFINE_integer(name, default, about, least, flag_values=values)
    for name, default, about in (
        ("watch", False, "follow a training: evaluate each new checkpoint"),
        ("intra_fid", False, "FID of each class too; mean over classes"),
        ("self_check", False, "test the metrics themselves, and do nothing else"),
        ("ema", None, "averaged weights, in place of the protocol's choice"),
    ):
        flags.DEFINE_bool(name, default, about, flag_values=values)
    for name, default, choices, about in (
        ("protocol", None, PROTOCOLS, "how to evaluate"),
        ("strategy", "default", _STRATEGIES, "the devices that share the work"),
    ):
        flags.DEFINE_enum(name, default, choices, about, flag_values=values)
    for name, default, about in (
        ("truncation", None, "see sagan_tf.sample, in place of the protocol's"),
        ("watch_seconds", 30.0, "seconds between two looks"),
    ):
        flags.DEFINE_float(name, default, about, lower_bound=0.0, flag_values=values)


def _evaluate(values):
    if values.self_check:
        return load("sagan_tf.evaluation.self_check").run(
            values.feature_network, values.inception
        )
    if not (values.workdir or values.samples or values.saved_model):
        raise BadInput(
            "There is nothing to evaluate. Try --workdir=runs/digits, "
            "--samples=folder:DIR or --saved_model=DIR."
        )
    wait_seconds = values.watch_seconds if values.watch else None
    if values.checkpoint != "all":
        parse_step(values.checkpoint)
    # TensorFlow takes seconds to load: flags are checked before.
    runs = load("sagan_tf.evaluation.runs")
    how = runs.prepare(
        values.workdir,
        given={name: values[name].value for name in _SETTINGS},
        changes={name: values[name].value for name in _CHANGES},
        intra_fid=values.intra_fid,
        batch_size=values.batch_size,
        strategy=values.strategy,
        wait_seconds=wait_seconds,
    )
    runs.score(
        how,
        workdir=values.workdir,
        checkpoint=values.checkpoint,
        samples=values.samples,
        samples_split=values.samples_split,
        saved_model=values.saved_model,
        output=values.output,
        watch_seconds=wait_seconds,
    )
    return FINISHED


def main(argv=None):
    """Runs the command; returns its exit status."""
    return run_command(_evaluate, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())
