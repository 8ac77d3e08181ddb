"""Computes the statistics of real images that generated ones are compared with.

python -m sagan_tf.reference_statistics --dataset=folder:photos --resolution=128 \\
    --protocol=official-train-50k --output=stats.npz

An existing file is checked: all real images are read again, and the data, their
treatment and the feature network must match the file. The file is computed again if
--keep_features asks for more than it has. Choose the protocol's images with --split or
--dataset. Without --split, the protocol chooses the split of a tfds data set.
"""

import dataclasses
import os
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
    # TensorFlow takes seconds to load, so the flags are checked first.
    references = command.load("sagan_tf.evaluation.references")
    features = command.load("sagan_tf.evaluation.features.network")
    protocol = find_protocol(config.protocol)
    if config.dataset.startswith("tfds:") and config.split is None:
        config = dataclasses.replace(config, split=protocol.split)
    network = features.open_feature_network(config.feature_network, config.inception)
    keep = values.keep_features if values["keep_features"].present else None
    before = _written_at(output)
    reference = references.make_reference(config, protocol, network, output, keep)
    print(reference.about["description"])
    print(
        f"{reference.summary.count:,} real images of {config.resolution} pixels, "
        f"features of {network.name} ({network.hash[:12]})"
    )
    is_old = before is not None and before == _written_at(output)
    print(f"{'Up to date' if is_old else 'Written'}: {output}")
    return FINISHED


def _written_at(path):
    """Returns when a file was written, in nanoseconds; `None` if there is none."""
    return os.stat(path).st_mtime_ns if os.path.isfile(path) else None


def main(argv=None):
    """Runs the command; returns its exit status."""
    return command.run_command(_make, _define, __doc__, argv)


if __name__ == "__main__":
    sys.exit(main())
