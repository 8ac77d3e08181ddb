"""Measures values that show whether a training goes well or wrong."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from sagan_tf.errors import BadInput
from sagan_tf.layers import SpectralNormalization
from sagan_tf.model import latents

# Images are compared as 8x8 block means, and fakes in groups of eight with one label.
_BLOCKS = 8
_GROUP = 8


@dataclasses.dataclass(frozen=True)
class FixedBatch:
    """The batch that every look uses, so that looks can be compared.

    Attributes:
        images: `(B, R, R, C)` float32 in [-1, 1], real; B even.
        labels: `(B,)` int32, of real images and fakes, or `None` when unconditional.
        z: `(B, z_dim)` float32.
    """

    images: np.ndarray
    labels: np.ndarray | None
    z: np.ndarray


def make_fixed_batch(images, labels=None, *, z_dim=128, seed=0):
    """Makes a `FixedBatch` of real images, with z from a seed.

    Args:
        images: `(B, R, R, C)` array in [-1, 1], B at least 2 and R a multiple of 8;
            about 32 images, of all classes.
        labels: `(B,)` ints, or `None` when unconditional.
        z_dim: int.
        seed: int.

    Raises:
        BadInput: there are too few images to compare.
    """
    images = np.asarray(images, np.float32)
    if images.ndim != 4 or len(images) < 2:
        raise BadInput(
            "images must be at least 2 images, (B, R, R, C). Received: shape "
            f"{images.shape}. Try 32 of the training images."
        )
    labels = None if labels is None else np.asarray(labels, np.int32)
    z = latents.draw_z(range(len(images)), z_dim, seed).numpy()
    return FixedBatch(images, labels, z)


class Examiner:
    """Examines a model, any number of times, without changing it.

    Args:
        model: compiled `SAGAN`.
        batch: `FixedBatch`.
    """

    def __init__(self, model, batch):
        self._model = model
        self._batch = batch
        self._real = [max(d, 1e-12) for d in distances(batch.images)]
        # AutoGraph would read this file at the first look, which may be days later.
        self._measure = tf.function(self._logits_and_gradients, autograph=False)

    def examine(self):
        """Examines the model as it is now.

        Returns:
            Dict of name to float:

            - `sigma_<network>/<layer>`: estimate of the largest singular value, divided
              by the exact value; 1 when the power iteration has converged;
            - `gamma_...`: as in the metrics;
            - `logit_gap`: mean logit of real images minus that of fakes;
            - `gradient_norm_g`, `gradient_norm_d`: L2 norms over all weights of the
              gradients of both losses;
            - `diversity` and `nearest`: see `variety`.
        """
        model, batch = self._model, self._batch
        values = {
            f"sigma_{network.name}/{_name(layer, network)}": float(layer.sigma())
            / max(layer.exact_sigma(), 1e-12)
            for network in (model.generator, model.discriminator)
            for layer in network._flatten_layers()
            if isinstance(layer, SpectralNormalization)
        }
        measured = self._measure(batch.images, batch.labels, batch.z)
        for name, value in (model.gammas() | measured).items():
            values[name] = float(value)
        return values | self.variety()

    def variety(self):
        """Measures how much the fakes of eight z with one label differ.

        Returns:
            Dict of name to float. Both are 1 for the real images of the batch, whatever
            their labels (see `distances`):

            - `diversity`: mean distance between fakes. It is near 0 if every z gives
              the same image;
            - `nearest`: mean distance from a fake to the most similar fake. It is near
              0 if all z give a few images, even if these are far apart.
        """
        z, labels = self._batch.z, self._batch.labels
        if labels is not None:
            labels = np.repeat(labels[::_GROUP], _GROUP)[: len(z)]
        fakes = self._model.generate(z, labels, ema=False).numpy()
        groups = [fakes[i : i + _GROUP] for i in range(0, len(fakes), _GROUP)]
        means = np.mean([distances(group) for group in groups if len(group) > 1], 0)
        diversity, nearest = (float(m / real) for m, real in zip(means, self._real))
        return {"diversity": diversity, "nearest": nearest}

    def _logits_and_gradients(self, images, labels, z):
        model = self._model
        # Neither `u` nor the moving averages of batch normalization change.
        with keras.StatelessScope(), tf.GradientTape(persistent=True) as tape:
            g_loss = model.generator_loss(z, labels)
            inputs = z if labels is None else [z, labels]
            fakes = tf.stop_gradient(model.generator(inputs, training=True))
            both = None if labels is None else tf.concat([labels, labels], 0)
            d_loss, logits, _ = model.discriminator_loss(images, fakes, both)
        real, fake = tf.split(logits, 2)
        return {
            "logit_gap": tf.reduce_mean(real) - tf.reduce_mean(fake),
            "gradient_norm_g": _norm(tape, g_loss, model.generator),
            "gradient_norm_d": _norm(tape, d_loss, model.discriminator),
        }


def _name(layer, network):
    """Returns the path of a layer in its network: `block_8x8/batch_norm_1/gain`."""
    return layer.u.path.removeprefix(f"{network.name}/").removesuffix("/u")


def _norm(tape, loss, network):
    gradients = tape.gradient(loss, network.trainable_variables)
    return tf.linalg.global_norm([tf.cast(each, tf.float32) for each in gradients])


def distances(images):
    """Returns L2 distances between images that are reduced to 8 x 8 means.

    Args:
        images: `(N, R, R, C)` array, N at least 2, R a multiple of 8.

    Returns:
        Two floats: the mean of all distances, and the mean distance from an image to
        its nearest neighbour.
    """
    count, size = len(images), images.shape[1] // _BLOCKS
    blocks = np.asarray(images, np.float64)
    blocks = blocks.reshape(count, _BLOCKS, size, _BLOCKS, size, -1).mean((2, 4))
    flat = blocks.reshape(count, -1)
    others = [np.delete(flat, i, axis=0) - flat[i] for i in range(count)]
    norms = np.linalg.norm(others, axis=-1)
    return float(norms.mean()), float(norms.min(axis=1).mean())
