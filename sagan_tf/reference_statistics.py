"""Computes the statistics of real images that generated ones are compared with.

python -m sagan_tf.reference_statistics --dataset=folder:photos --resolution=128 \\
    --protocol=official-train-50k --output=stats.npz

An existing file is checked: all real images are read again, and data, treatment and
feature network must be those of the file. Choose the protocol's images with --split or
--dataset; a tfds data set knows its splits.
"""

import dataclasses
import pathlib
import sys

from absl import flags

from sagan_tf.errors import FINISHED
from sagan_tf.evaluation.protocols import find_protocol
from sagan_tf.settings import command


def _define(values):
    flags.DEFINE_string("output", None, "the .npz file", flag_values=values)
    about = (
        "images whose features are kept: for KID, precision and recall the first "
        "10,000, for intra-FID all"
    )
    flags.DEFINE_integer("keep_features", 10_000, about, 1, flag_values=values)
    command.define_flags(values)


def _make(values):
    config = command.config_from_flags(values, networks=False)
    output = command.required(values, "output", "stats.npz")
    # TensorFlow takes seconds to load: flags are checked before.
    references = command.load("sagan_tf.evaluation.references")
    features = command.load("sagan_tf.evaluation.features.network")
    protocol = find_protocol(config.protocol)
    if config.dataset.startswith("tfds:") and config.split is None:
        config = dataclasses.replace(config, split=protocol.split)
    network = features.open_feature_network(config.feature_network, config.inception)
    was_there = pathlib.Path(output).exists()
    reference = references.make_reference(
        config, protocol, network, output, values.keep_features
    )
    print(reference.about["description"])
    print(
        f"{reference.summary.count:,} real images of {config.resolution} pixels, "
        f"features of {network.name} ({network.hash[:12]})"
    )
    print(f"{'Up to date' if was_there else 'Written'}: {output}")
    return FINISHED


def main(argv=None):
    """Runs the command; returns its exit status."""
    return command.run_command(_make, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())
