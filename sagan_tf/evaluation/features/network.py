"""Feature networks: images -> (features, logits), for all scores.

Either TF-GAN's Inception network, whose scores are called FID, IS and so on, or a
classifier of the data set itself (`classifier.py`), whose scores carry its name.
"""

import dataclasses
import os
from collections.abc import Callable

import tensorflow as tf

from sagan_tf.errors import BadInput
from sagan_tf.evaluation.features import classifier, inception_module

# ITU-R 601 luma in 2**16ths, as `images.adapt_channels` takes it of pixels.
_LUMA = (19595, 38470, 7471)


@dataclasses.dataclass
class FeatureNetwork:
    """A network that scores are taken with.

    It can be called in eager code, in a `tf.function` and in `strategy.run`. Open it
    outside a strategy's scope.

    Attributes:
        function: images float32 `(N, R, R, C)` -> (features, logits), both 2-d.
        name: str, for example "Inception" or "digits-cnn".
        hash: sha256, hexadecimal, of what decides its numbers.
        num_features, num_logits: int, D and K.
        image_channels: C, 1 or 3.
        resolution: R, int; `None` if it takes images of any size.
        is_inception: bool, whether its scores may be called FID, IS, ...
        class_names: tuple of str, of the logits; empty if not known.
    """

    function: Callable
    _: dataclasses.KW_ONLY
    name: str
    hash: str
    num_features: int
    num_logits: int
    image_channels: int = 3
    resolution: int | None = None
    is_inception: bool = False
    class_names: tuple = ()

    def __call__(self, images):
        """Runs the network on one batch.

        Grey images become RGB, or RGB ones grey, as the network needs them. A
        classifier gets images resized to its resolution (bilinear, antialiased);
        TF-GAN's Inception module resizes them itself.

        Args:
            images: float32 `(N, R, R, 1)` or `(N, R, R, 3)` in [-1, 1].

        Returns:
            features: float32 `(N, D)`, logits: float32 `(N, K)`.

        Raises:
            BadInput: the images have another shape or dtype.
        """
        images = tf.convert_to_tensor(images)
        if (
            images.dtype != tf.float32
            or images.shape.rank != 4
            or images.shape[-1] not in (1, 3)
        ):
            raise BadInput(
                "A feature network needs float32 images (N, R, R, 1) or (N, R, R, 3) "
                f"in [-1, 1]. Received: {images.dtype.name} {images.shape}. Try "
                "images.from_pixels for pixels."
            )
        images = _adapt_channels(images, self.image_channels)
        if self.resolution and images.shape[1:3] != [self.resolution] * 2:
            images = tf.image.resize(
                images, [self.resolution, self.resolution], antialias=True
            )
        return self.function(images)

    def describe(self, metric):
        """The name of a score: str; `metric` is "FID", "KID", "precision", ..."""
        if self.is_inception:
            return metric
        return f"{metric} in the feature space of {self.name}"


def open_feature_network(spec, inception=None):
    """Opens a feature network.

    Args:
        spec: "inception", or the folder that `sagan_tf.train_classifier` wrote.
        inception: for the first, see `inception_module.load`.

    Returns:
        `FeatureNetwork`.

    Raises:
        BadInput: it cannot be opened, or is not a feature network.
    """
    if spec == "inception":
        return _open_inception(inception)
    if inception:
        raise BadInput(
            "inception is for the feature network inception only. Received: "
            f"{spec!r} and inception={inception!r}. Try without one of the two."
        )
    if not os.path.isdir(spec):
        raise BadInput(
            "A feature network is inception, or the folder of a classifier. Received: "
            f"{spec!r}, and there is no such folder. Try training one: python -m "
            "sagan_tf.train_classifier --help."
        )
    return _open_classifier(spec)


def _adapt_channels(images, channels):
    given = images.shape[-1]
    if given == channels:
        return images
    if channels == 3:
        return tf.repeat(images, 3, axis=-1)
    weights = tf.constant(_LUMA, tf.float32) / 2**16
    return tf.reduce_sum(images * weights, axis=-1, keepdims=True)


def _open_classifier(folder):
    model, record = classifier.load_classifier(folder)

    def function(images):
        outputs = model(images, training=False)
        return outputs["features"], outputs["logits"]

    return FeatureNetwork(
        function,
        name=record["name"],
        hash=record["sha256"],
        num_features=record["num_features"],
        num_logits=record["num_classes"],
        image_channels=record["image_channels"],
        resolution=record["resolution"],
        class_names=tuple(record["class_names"]),
    )


def _open_inception(place):
    function, name, digest, widths = inception_module.load(place)
    return FeatureNetwork(
        function,
        name=name,
        hash=digest,
        num_features=widths[0],
        num_logits=widths[1],
        is_inception=name == "Inception",
    )
