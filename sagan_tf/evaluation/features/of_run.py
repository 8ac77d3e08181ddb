"""The feature network of a run: the chosen one, or the run's own classifier."""

import os
import pathlib

from sagan_tf.errors import BadInput
from sagan_tf.evaluation.features import classifier, classifier_training
from sagan_tf.evaluation.features.network import open_feature_network
from sagan_tf.run.building import open_source

# In the folder of the run.
FOLDER = "classifier"


def open_network_of_run(workdir, config, given=None):
    """Opens the `FeatureNetwork` of a run.

    If none was chosen, it is TF-GAN's Inception network. If that is missing, a
    classifier of the run's data set is trained and kept in the run; the next call
    reads it.

    Args:
        workdir: path of the run.
        config: its `Config`.
        given: dict of values that replace the run's `feature_network` and `inception`,
            or `None`.

    Raises:
        BadInput: the network cannot be opened, or there is none and the data set has no
            labels to train one with.
        OSError: the classifier cannot be written.
    """
    given = given or {}
    name = given.get("feature_network") or config.feature_network
    inception = given.get("inception") or config.inception
    if name or inception:
        return _open_chosen(name or "inception", inception)
    folder = pathlib.Path(workdir) / FOLDER
    if os.path.lexists(folder):
        return _told(_open_own(folder, config), folder)
    try:
        return open_feature_network("inception", None)
    except BadInput as error:
        reason = error
    if not open_source(config).num_classes:
        raise BadInput(
            "FID, recall and precision need a feature network: the data set has no "
            "labels to train a classifier with, and Inception is missing. Received: "
            f"dataset={config.dataset}. Try --inception=DIR, or --feature_network=DIR "
            "with a classifier of similar images."
        ) from reason
    print("The Inception network is missing: a classifier of the data set replaces it.")
    _train(folder, config)
    return _told(open_feature_network(str(folder), None), folder)


def _open_own(folder, config):
    """Opens the classifier of an earlier evaluation; refuses one of other data."""
    remedy = f"Try removing it: the next evaluation trains {folder} again."
    try:
        record = classifier.read_record(folder)
        network = open_feature_network(str(folder), None)
    except BadInput as error:
        raise BadInput(f"{str(error).rpartition(' Try ')[0]} {remedy}") from error
    if record.get("dataset") != config.dataset:
        raise BadInput(
            f"{folder} is a classifier of {record.get('dataset')}. Received: dataset="
            f"{config.dataset}. {remedy} --feature_network={folder} uses it as it is."
        )
    return network


def _open_chosen(name, inception):
    try:
        return open_feature_network(name, inception)
    except BadInput as error:
        if name != "inception":
            raise
        raise BadInput(
            f"{error} Or use a classifier of these classes, from python -m "
            "sagan_tf.train_classifier: --feature_network=DIR."
        ) from error


def _told(network, folder):
    print(
        f"Feature network: {network.name}, trained on this run's data set, in {folder}."
        " Compare its values with one another, not with published ones."
    )
    return network


def _train(folder, config):
    training, held_out, about = classifier_training.open_parts(
        config.dataset,
        split=config.split,
        data_dir=config.data_dir,
        manual_dir=config.manual_dir,
        label_offset=config.label_offset,
        skip_bad_images=config.skip_bad_images,
    )
    classifier_training.train_classifier(
        folder,
        training,
        held_out,
        name=classifier_training.default_name(config.dataset),
        resolution=config.resolution,
        image_channels=config.image_channels,
        about=about,
        resize=config.resize,
        flip=config.flip or "flip" in config.augment,
        deterministic=config.deterministic,
    )
