"""Measures generated images: FID, IS, KID, precision and recall, density and coverage.

python -m sagan_tf.evaluate --workdir=runs/imagenet --protocol=official-train-50k
python -m sagan_tf.evaluate --workdir=runs/digits --feature_network=classifiers/digits
python -m sagan_tf.evaluate --samples=folder:generated --protocol=official-train-50k \\
    --reference_statistics=stats.npz

A value depends on the protocol, the feature network and the real images. They are
printed, and stored in each line of evaluations.jsonl. --checkpoint=all and --watch skip
checkpoints that are in that file already.
"""

import functools
import sys

from absl import flags

from sagan_tf.errors import FINISHED, BadInput
from sagan_tf.hub import find_own_run
from sagan_tf.settings.arguments import MOST_TRUNCATION, check_companions, parse_step
from sagan_tf.settings.command import load, run_command
from sagan_tf.settings.config import PROTOCOLS

# Strategies for one machine: results of other machines are not gathered.
_STRATEGIES = ("default", "mirrored", "tpu")
# Flags that replace a run's settings, and flags that replace a protocol's values.
_SETTINGS = ("protocol", "feature_network", "inception", "reference_statistics")
_CHANGES = ("num_fake", "standing_batches", "seed", "truncation", "ema")
# Flags that have an effect only together with one of these.
_GO_WITH = {
    "checkpoint": ("workdir",),
    "watch": ("workdir",),
    "ema": ("workdir",),
    "standing_batches": ("workdir",),
    "seed": ("workdir", "saved_model"),
    "truncation": ("workdir", "saved_model"),
    "samples_split": ("samples",),
}
# Pairs of flags, and why the first has no effect together with the second.
_NOT_WITH = (
    ("ema", "saved_model", "an export has one set of weights"),
    ("standing_batches", "saved_model", "an export has statistics of its own"),
    ("output", "workdir", "results go into the run's evaluations.jsonl"),
)


def _define(values):
    text = functools.partial(flags.DEFINE_string, flag_values=values)
    whole = functools.partial(flags.DEFINE_integer, flag_values=values)
    real = functools.partial(flags.DEFINE_float, flag_values=values)
    switch = functools.partial(flags.DEFINE_bool, flag_values=values)
    choice = functools.partial(flags.DEFINE_enum, flag_values=values)
    text("workdir", None, "folder of the run")
    text("checkpoint", "newest", "step, newest, best or all")
    text("feature_network", None, "inception, or folder of sagan_tf.train_classifier")
    text("inception", None, "unpacked folder or handle of TF-GAN's Inception module")
    text("reference_statistics", None, "file of sagan_tf.reference_statistics")
    text("samples", None, "images to score: folder:DIR, npz:FILE, or like --dataset")
    text("samples_split", None, "split of --samples")
    text("saved_model", None, "folder of an exported generator to score")
    text("output", None, "a .jsonl file for results without --workdir")
    whole("num_fake", None, "generated images, instead of the protocol's", 2, 10**8)
    whole(
        "standing_batches", None, "batches for standing batch-norm statistics", 0, 10**6
    )
    whole("seed", None, "seed of z and labels, instead of the protocol's", 0)
    whole("batch_size", 64, "images on one replica at a time", 1, 10**5)
    switch("watch", False, "follow a training: evaluate each new checkpoint")
    switch("intra_fid", False, "also measure the mean of the classes' FIDs")
    switch("self_check", False, "test the metrics themselves, and do nothing else")
    switch("skip_bad_images", False, "leave unreadable images out, and name them")
    switch("ema", None, "averaged weights, instead of the protocol's choice")
    choice("protocol", None, PROTOCOLS, "how to evaluate")
    choice("strategy", "default", _STRATEGIES, "the devices that share the work")
    real(
        "truncation",
        None,
        "see sagan_tf.sample; instead of the protocol's",
        0.0,
        MOST_TRUNCATION,
    )
    real("watch_seconds", 30.0, "seconds between two checks", 0.0)


def _check_together(values):
    """Refuses flags without effect; some of them would even appear in the record."""
    changed = (name for name in values if values[name].value != values[name].default)
    given = {name: f"--{name}" for name in changed}
    check_companions(given, _GO_WITH)
    for name, other, reason in _NOT_WITH:
        if name in given and other in given:
            raise BadInput(
                f"--{name} does not go with --{other}: {reason}. Received: both. Try "
                "one of the two."
            )


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
    if values.checkpoint != "all":
        parse_step(values.checkpoint)
    _check_together(values)
    workdir = values.workdir and find_own_run(values.workdir)
    # TensorFlow takes seconds to load, so the flags are checked first.
    runs = load("sagan_tf.evaluation.runs")
    strategies = load("sagan_tf.distribution.strategies")
    if workdir and values.watch:
        runs.wait_for_run(workdir, values.watch_seconds)
    runs.check_log(workdir, values.output)
    how = load("sagan_tf.evaluation.evaluator").open_how(
        workdir,
        given={name: values[name].value for name in _SETTINGS},
        changes={name: values[name].value for name in _CHANGES},
        intra_fid=values.intra_fid,
        batch_size=values.batch_size,
        strategy=strategies.make_strategy(values.strategy),
        skip_bad_images=values.skip_bad_images,
    )
    runs.score(
        how,
        workdir=workdir,
        checkpoint=values.checkpoint,
        samples=values.samples,
        samples_split=values.samples_split,
        saved_model=values.saved_model,
        output=values.output,
        watch_seconds=values.watch_seconds if values.watch else None,
        skip_bad_images=values.skip_bad_images,
    )
    return FINISHED


def main(argv=None):
    """Runs the command; returns its exit status."""
    return run_command(_evaluate, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())
