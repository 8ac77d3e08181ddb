"""Scores images against a reference, and records how.

Each line of evaluations.jsonl, a record, says what was scored (`subject`, `step`), how
(`protocol`, `network`, `reference`, `intra_fid`), with what result (`metrics`,
`warnings`), and what it took (`seconds`, `metric_seconds`, `images_per_second`).
"""

import dataclasses
import datetime
import pathlib
import time

import tensorflow as tf

from sagan_tf import data
from sagan_tf.errors import BadInput, missing_packages
from sagan_tf.evaluation import comparison, references, scoring
from sagan_tf.evaluation.features.network import FeatureNetwork, open_feature_network
from sagan_tf.evaluation.features.of_run import open_network_of_run
from sagan_tf.evaluation.protocols import Protocol, find_protocol
from sagan_tf.evaluation.saved_generator import open_saved_generator
from sagan_tf.files import append_lines
from sagan_tf.model import generating
from sagan_tf.run import versions
from sagan_tf.run.directory import read_config
from sagan_tf.run.records import json_line, read_metrics, scalars

_WITHOUT_RUN = {
    "protocol": "quick-5k",
    "feature_network": None,
    "inception": None,
    "reference_statistics": None,
}


@dataclasses.dataclass(frozen=True)
class How:
    """How images are scored.

    Attributes:
        protocol: `Protocol`.
        network: `FeatureNetwork`.
        reference: `Reference`, the real images.
        intra_fid: bool, whether to add the mean of the classes' FIDs.
        batch_size: int, images on one replica at a time.
        strategy: `tf.distribute.Strategy` whose replicas generate, or `None`.

    Raises:
        BadInput: the reference does not have what intra-FID needs.
    """

    protocol: Protocol
    network: FeatureNetwork
    reference: references.Reference
    intra_fid: bool = False
    batch_size: int = 64
    strategy: tf.distribute.Strategy | None = None

    def __post_init__(self):
        if self.intra_fid:
            comparison.check_for_intra_fid(
                "real", self.reference.summary, self.reference.about["num_classes"]
            )

    def record(self):
        """Returns what a record says about this setup: dict."""
        of_network = ("name", "hash", "is_inception", "num_features")
        of_images = ("description", "dataset", "split", "content_hash")
        images = {key: self.reference.about[key] for key in of_images}
        return {
            "protocol": dataclasses.asdict(self.protocol),
            "network": {key: getattr(self.network, key) for key in of_network},
            "reference": {"path": self.reference.path, **images},
            "intra_fid": self.intra_fid,
        }


def open_how(
    workdir=None,
    config=None,
    *,
    given=None,
    changes=None,
    intra_fid=False,
    batch_size=64,
    strategy=None,
    skip_bad_images=False,
):
    """Opens the protocol, the feature network and the reference; returns a `How`.

    Args:
        workdir: path of a run, whose data set is the reference, or `None`. The
            reference is kept in its folder `reference/`.
        config: `Config` of that run; `None` to read it.
        given: dict of values that replace the run's `protocol`, `feature_network`,
            `inception` or `reference_statistics`, or `None`.
        changes: dict of fields of `Protocol` to values, see `Protocol.changed`.
        intra_fid, batch_size, strategy: see `How`.
        skip_bad_images: bool, whether to leave out real images that cannot be read,
            as a training with this setting does.

    Raises:
        BadInput: the run, the network or the reference cannot be opened, or they do
            not fit together.
        OSError: the reference cannot be written.
    """
    given = given or {}
    if workdir is not None and config is None:
        config = read_config(workdir)
    if config is not None and skip_bad_images:
        config = dataclasses.replace(config, skip_bad_images=True)
    settings = {
        name: given.get(name) or getattr(config, name, default)
        for name, default in _WITHOUT_RUN.items()
    }
    path = settings["reference_statistics"]
    if config is None and path is None:
        raise BadInput(
            "Without --workdir nothing says which real images to compare with. Try "
            "--reference_statistics=FILE, made by python -m "
            "sagan_tf.reference_statistics."
        )
    protocol = find_protocol(settings["protocol"]).changed(changes or {})
    if workdir is None:
        network = open_feature_network(
            settings["feature_network"], settings["inception"]
        )
    else:
        network = open_network_of_run(workdir, config, given)
    if path is not None:
        reference = references.read_reference(path, protocol, network, config)
    else:
        part = references.for_protocol(config, protocol)
        name = references.file_name(protocol, network)
        path = pathlib.Path(workdir) / "reference" / name
        try:
            reference = references.make_reference(part, protocol, network, path)
        except references.OtherReference:
            if (pathlib.Path(workdir) / "config.json").exists():
                raise
            path.unlink()  # A failed start with other settings has left it.
            reference = references.make_reference(part, protocol, network, path)
    return How(protocol, network, reference, intra_fid, batch_size, strategy)


def score_network(generator, how, num_classes, step):
    """Scores a Keras generator; see `score`.

    If the protocol has standing statistics, the batch-norm statistics change.
    """
    scoring.use_protocol_statistics(generator, how.protocol, num_classes)
    function = generating.from_network(generator)
    return score(function, how, num_classes, "checkpoint", step)


def score_saved_model(folder, how):
    """Scores an exported generator; see `score` and `saved_generator.py`."""
    about = how.reference.about
    generator, num_classes = open_saved_generator(folder, about["num_classes"])
    wanted = (None, *[about["resolution"]] * 2, about["image_channels"])
    if not generator.output_shape.is_compatible_with(wanted):
        raise BadInput(
            f"{folder} must make images like the real ones of {how.reference.path}, "
            f"{wanted[1:]}. Received: {generator.output_shape[1:]}. Try statistics of "
            "its training images."
        )
    return score(generator, how, num_classes, str(folder))


def score_samples(dataset, how, split=None, skip_bad_images=False):
    """Scores the images of a data set; see `score`. Other arguments are as the flags.

    The images come in a fixed random order, because KID and the splits of IS would be
    wrong for images sorted by class.
    """
    about = how.reference.about
    source = data.open_source(dataset, split=split, skip_bad_images=skip_bad_images)
    names = list(source.class_names)
    # True if labels mean the same classes in the images and in the reference.
    same_classes = source.num_classes == about["num_classes"]
    if names and about["class_names"]:
        same_classes = names == about["class_names"]
    batches = data.read_once(
        source,
        resolution=about["resolution"],
        image_channels=about["image_channels"],
        count=how.protocol.num_fake,
        batch_size=how.batch_size,
        resize=how.protocol.resize,
        labelled=same_classes,
    )
    subject = dataset if split is None else f"{dataset} ({split})"
    return score(batches, how, about["num_classes"], subject)


def score(images_or_generator, how, num_classes, subject, step=None):
    """Scores images against the reference; returns the record, a dict.

    Args:
        images_or_generator: batches of images, see `scoring.summarize_images`; or a
            function that generates images, see `scoring.summarize_generator`.
        how: `How`.
        num_classes: int, 0 for images without classes.
        subject: str, the name of the images in the record.
        step: int, the training step of the weights, or `None`.

    Raises:
        BadInput: the images cannot be read or scored.
    """
    start = time.monotonic()
    fake = _summarize(images_or_generator, how, num_classes)
    summarized = time.monotonic()
    real, limit = how.reference.summary, how.protocol.max_neighbour_images
    metrics = comparison.compare(
        fake, real, how.network, num_classes, limit, how.intra_fid
    )
    end = time.monotonic()
    warnings = comparison.warnings(fake, real, how.network, metrics)
    if fake.count < how.protocol.num_fake:
        warnings.append(
            f"{how.protocol.name} asks for {how.protocol.num_fake:,} images; "
            f"there are {fake.count:,}."
        )
    return {
        "subject": subject,
        "step": step,
        "num_fake": fake.count,
        "num_real": real.count,
        "metrics": metrics,
        "warnings": warnings,
        **how.record(),
        "seconds": round(end - start, 2),
        "metric_seconds": round(end - summarized, 2),
        "images_per_second": round(fake.count / (summarized - start), 1),
        "time": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "versions": versions.versions(),
    }


def _summarize(images_or_generator, how, num_classes):
    if not callable(images_or_generator):
        return scoring.summarize_images(
            images_or_generator, how.network, keep=how.protocol.num_fake
        )
    if how.intra_fid and not num_classes:
        raise BadInput(
            "intra-FID needs a generator with classes. Received: num_classes=0. "
            "Try without --intra_fid."
        )
    return scoring.summarize_generator(
        images_or_generator,
        how.network,
        how.protocol,
        num_classes,
        batch_size=how.batch_size,
        strategy=how.strategy,
    )


def write_record(record, log):
    """Adds a record to a log, evaluations.jsonl, and a step's scalars to TensorBoard.

    Raises:
        OSError: the log cannot be written.
    """
    append_lines(log, json_line(record))
    if record["step"] is None or missing_packages(["tensorboard"]):
        return
    folder = pathlib.Path(log).parent / "tensorboard"
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default(record["step"]):
        for name, value in scalars(record).items():
            tf.summary.scalar(name, value)
    writer.close()


def recorded(log, how):
    """Returns the records of checkpoints that were scored exactly as in `how`: dict.

    The keys are steps; the last record of a step counts. The path of the reference
    does not matter. The log, evaluations.jsonl, need not exist.
    """
    wanted = how.record() | {"subject": "checkpoint"}
    records = {}
    for record in read_metrics(pathlib.Path(log)):
        reference = {**(record.get("reference") or {}), "path": how.reference.path}
        if wanted.items() <= {**record, "reference": reference}.items():
            records[record["step"]] = record
    return records
