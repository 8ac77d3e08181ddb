"""Feature networks: images -> (features, logits), for all scores.

A feature network is TF-GAN's Inception network, whose scores are called FID, IS and so
on, or a classifier of the data set (`classifier.py`), whose scores carry its name.
"""

import dataclasses
import os
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from sagan_tf.errors import BadInput
from sagan_tf.evaluation.features import classifier, inception_module

# ITU-R 601 luma, as `images.adapt_channels` computes it from pixels.
_LUMA = np.float32([19595, 38470, 7471]) / 2**16


@dataclasses.dataclass(eq=False)  # A `tf.function` needs its hash.
class FeatureNetwork:
    """A network that scores are computed with.

    It can be called in eager code, in a `tf.function` and in `strategy.run`. Open it
    outside a strategy's scope.

    Attributes:
        function: images float32 `(N, R, R, C)` -> (features, logits), both 2-d.
        name: str, for example "Inception" or "digits-cnn".
        hash: hexadecimal sha256 of what decides its outputs.
        num_features, num_logits: int, D and K.
        image_channels: C, 1 or 3.
        resolution: R, int; `None` if it takes images of any size.
        is_inception: bool, whether its scores may be called FID, IS, ...
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

    def __call__(self, images):
        """Runs the network on one batch.

        Converts gray images to RGB, or RGB images to gray, as the network needs them.
        For a classifier, images are resized to its resolution (bilinear, antialiased);
        TF-GAN's Inception module resizes them itself.

        Args:
            images: float32 `(N, R, R, 1)` or `(N, R, R, 3)` in [-1, 1].

        Returns:
            features: float32 `(N, D)`, logits: float32 `(N, K)`.

        Raises:
            BadInput: the images have another shape or dtype.
        """
        images = tf.convert_to_tensor(images)
        has_shape = images.shape.rank == 4 and images.shape[-1] in (1, 3)
        if images.dtype != tf.float32 or not has_shape:
            raise BadInput(
                "A feature network needs float32 images (N, R, R, 1) or (N, R, R, 3) "
                f"in [-1, 1]. Received: {images.dtype.name} {images.shape}. Try "
                "images.from_pixels for pixels."
            )
        if images.shape[-1] < self.image_channels:
            images = tf.repeat(images, 3, axis=-1)
        elif images.shape[-1] > self.image_channels:
            images = tf.reduce_sum(images * _LUMA, axis=-1, keepdims=True)
        size = [self.resolution] * 2
        if self.resolution and images.shape[1:3] != size:
            images = tf.image.resize(images, size, antialias=True)
        return self.function(images)

    def describe(self, metric):
        """Returns the name of a score; `metric` is "FID", "KID", "precision", ..."""
        if self.is_inception:
            return metric
        return f"{metric} in the feature space of {self.name}"


def open_feature_network(spec, inception=None):
    """Opens a `FeatureNetwork`.

    Args:
        spec: "inception" (or `None`), or the folder that `sagan_tf.train_classifier`
            wrote.
        inception: for "inception", see `inception_module.load`.

    Raises:
        BadInput: the network cannot be opened, or is not a feature network.
    """
    if spec in (None, "inception"):
        function, name, digest, widths = inception_module.load(inception)
        return FeatureNetwork(
            function,
            name=name,
            hash=digest,
            num_features=widths[0],
            num_logits=widths[1],
            is_inception=name == "Inception",
        )
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
    model, record = classifier.load_classifier(spec)

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
    )
