"""Evaluations: a reference, the images of a run or of other people, a line of JSON.

Every line of evaluations.jsonl says what was scored (`subject`, `step`), how
(`protocol`, `network`, `reference`, `intra_fid`), with what result (`metrics`,
`warnings`), and what it took (`seconds`, `metric_seconds`, `images_per_second`).
"""

import dataclasses
import datetime
import importlib.util
import pathlib
import time

import tensorflow as tf

from sagan_tf import data
from sagan_tf.errors import BadInput
from sagan_tf.evaluation import comparison, references, scoring
from sagan_tf.evaluation.features.network import open_feature_network
from sagan_tf.evaluation.protocols import find_protocol
from sagan_tf.evaluation.saved_generator import open_saved_generator
from sagan_tf.files import append_lines
from sagan_tf.model import generating
from sagan_tf.run import versions
from sagan_tf.run.records import EVALUATIONS, json_line, read_metrics


def open_evaluator(
    config=None,
    workdir=None,
    *,
    protocol,
    feature_network,
    inception=None,
    reference_statistics=None,
    log=None,
    intra_fid=False,
    batch_size=64,
    strategy=None,
):
    """Opens the feature network and the reference, and makes an `Evaluator`.

    Args:
        config: `Config` of a run, whose data set is the reference, or `None`.
        workdir: path of that run, or `None`: its reference is kept in `reference/`,
            its results in evaluations.jsonl.
        protocol: `Protocol` or the name of one.
        feature_network, inception: see `features.open_feature_network`.
        reference_statistics: path of a reference file, or `None` for the run's own.
        log, intra_fid, batch_size, strategy: see `Evaluator`; a run has its own log.

    Raises:
        BadInput: network or reference cannot be had, or do not fit.
    """
    if isinstance(protocol, str):
        protocol = find_protocol(protocol)
    network = open_feature_network(feature_network, inception)
    if reference_statistics is not None:
        reference = references.read_reference(
            reference_statistics, protocol, network, config
        )
    else:
        part = references.for_protocol(config, protocol)
        name = references.file_name(protocol, network)
        path = pathlib.Path(workdir) / "reference" / name
        reference = references.make_reference(part, protocol, network, path)
    if workdir is not None:
        log = pathlib.Path(workdir) / EVALUATIONS
    return Evaluator(
        protocol,
        network,
        reference,
        log,
        intra_fid=intra_fid,
        batch_size=batch_size,
        strategy=strategy,
    )


class Evaluator:
    """Scores sets of images against one reference, under one protocol.

    Args:
        protocol: `Protocol`.
        network: `FeatureNetwork`.
        reference: `Reference`.
        log: path of the evaluations.jsonl that gets the results, or `None`.
        intra_fid: bool, whether FID is measured for each class too.
        batch_size: int, images on one replica at a time.
        strategy: `tf.distribute.Strategy` whose replicas generate, or `None`.

    Raises:
        BadInput: the reference does not have what intra-FID needs.
    """

    def __init__(
        self,
        protocol,
        network,
        reference,
        log=None,
        *,
        intra_fid=False,
        batch_size=64,
        strategy=None,
    ):
        self.protocol = protocol
        self.network = network
        self.reference = reference
        self._log = None if log is None else pathlib.Path(log)
        self._intra_fid = intra_fid
        self._batch_size = batch_size
        self.strategy = strategy
        if intra_fid:
            comparison.check_for_intra_fid(
                "real", reference.summary, reference.about["num_classes"]
            )

    def score_network(self, generator, num_classes, step, subject="checkpoint"):
        """Scores a Keras generator as it is.

        With standing statistics in the protocol its batch-norm statistics change.

        Args:
            generator: `keras.Model`.
            num_classes: int, 0 for an unconditional generator.
            step: int, of the weights.
            subject: str, what the record calls it.

        Returns:
            The record: dict.

        Raises:
            BadInput: it cannot be scored.
        """
        start = time.monotonic()
        scoring.use_protocol_statistics(generator, self.protocol, num_classes)
        made = generating.from_network(generator)
        return self._score_function(made, num_classes, subject, step, start)

    def score_saved_model(self, folder):
        """Scores an exported generator, see `saved_generator.py`.

        Raises:
            BadInput: it cannot be scored.
        """
        start = time.monotonic()
        generator, num_classes = open_saved_generator(
            folder, self.reference.about["num_classes"]
        )
        return self._score_function(generator, num_classes, str(folder), None, start)

    def score_samples(self, dataset, split=None):
        """Scores pictures: a folder, or any other data set.

        They are taken in a random order that is always the same: KID and the splits of
        IS would not be right in the order of classes.

        Args:
            dataset: str, as `--dataset`, for example `"folder:DIR"`.
            split: str or `None`, as `--split`.

        Raises:
            BadInput: they cannot be read or scored.
        """
        start = time.monotonic()
        about = self.reference.about
        source = data.open_source(dataset, split=split)
        batches = data.make_dataset(
            source,
            resolution=about["resolution"],
            image_channels=about["image_channels"],
            batch_size=min(self._batch_size, source.num_images),
            seed=0,
            resize=self.protocol.resize,
            repeat=False,
            drop_remainder=False,
            cache_bytes=0,
            labelled=_same_classes(source, about),
        )
        count = min(self.protocol.num_fake, source.num_images)
        summary = scoring.summarize_images(
            batches, self.network, count=count, keep=count, what="Pictures"
        )
        subject = dataset if split is None else f"{dataset} ({split})"
        return self._finish(summary, about["num_classes"], subject, None, start)

    def _score_function(self, generator, num_classes, subject, step, start):
        if self._intra_fid and not num_classes:
            raise BadInput(
                "intra-FID needs a generator with classes. Received: num_classes=0. "
                "Try without --intra_fid."
            )
        summary = scoring.summarize_generator(
            generator,
            self.network,
            self.protocol,
            num_classes,
            batch_size=self._batch_size,
            strategy=self.strategy,
        )
        return self._finish(summary, num_classes, subject, step, start)

    def _finish(self, fake, num_classes, subject, step, start):
        """Measures, writes the line, and returns the record."""
        generated = time.monotonic()
        real = self.reference.summary
        metrics = comparison.compare(
            fake, real, self.network, num_classes, self.protocol.max_neighbour_images
        )
        if self._intra_fid:
            metrics["intra_fid"], _ = comparison.intra_fid(fake, real, num_classes)
        end = time.monotonic()
        warnings = comparison.warnings(fake, real, self.network)
        if fake.count < self.protocol.num_fake:
            warnings.append(
                f"{self.protocol.name} asks for {self.protocol.num_fake:,} images; "
                f"there are {fake.count:,}."
            )
        record = {
            "subject": subject,
            "step": step,
            "num_fake": fake.count,
            "num_real": real.count,
            "metrics": metrics,
            "warnings": warnings,
            **self._how(),
            "seconds": round(end - start, 2),
            "metric_seconds": round(end - generated, 2),
            "images_per_second": round(fake.count / (generated - start), 1),
            "time": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "versions": versions.versions(),
        }
        if self._log is not None:
            append_lines(self._log, json_line(record))
            _write_events(self._log.parent / "tensorboard", record)
        return record

    def _how(self):
        about = self.reference.about
        return {
            "protocol": dataclasses.asdict(self.protocol),
            "network": {
                "name": self.network.name,
                "hash": self.network.hash,
                "is_inception": self.network.is_inception,
                "num_features": self.network.num_features,
            },
            "reference": {
                "path": self.reference.path,
                **{
                    key: about[key]
                    for key in ("description", "dataset", "split", "content_hash")
                },
            },
            "intra_fid": self._intra_fid,
        }

    def recorded(self):
        """Records of the log that were made in this very way, by step: dict.

        Of several records of a step the last one counts.
        """
        if self._log is None:
            return {}
        how = self._how()
        del how["reference"]["path"]
        found = {}
        for record in read_metrics(self._log):
            theirs = {key: record.get(key) for key in how}
            theirs["reference"] = {
                key: value
                for key, value in (theirs["reference"] or {}).items()
                if key != "path"
            }
            if theirs == how and record["subject"] == "checkpoint":
                found[record["step"]] = record
        return found


def _same_classes(source, about):
    """Whether labels of pictures mean what those of the reference mean."""
    names = list(source.class_names)
    if names and about["class_names"]:
        return names == about["class_names"]
    return source.num_classes == about["num_classes"]


def _write_events(folder, record):
    """TensorBoard scalars, if TensorBoard is installed and the images have a step."""
    if record["step"] is None or not importlib.util.find_spec("tensorboard"):
        return
    way = f"{record['protocol']['name']}/{record['network']['name']}"
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for name, value in record["metrics"].items():
            tf.summary.scalar(f"evaluation/{way}/{name}", value, record["step"])
    writer.close()
