"""Functions and methods that generate images."""

import numpy as np
import tensorflow as tf

from sagan_tf.model import latents
from sagan_tf.model.adversarial_losses import call
from sagan_tf.model.arguments import (
    check_draw,
    check_labels,
    checked_z,
    label_array,
)
from sagan_tf.progress import progress_bar


def one_each(seeds, labels, z_dim, num_classes, truncation=None):
    """Draws z and labels for one image per seed, or per pair of label and seed.

    Args:
        seeds: list of ints.
        labels: list of ints; if empty, labels are drawn from the seeds.
        z_dim: int.
        num_classes: int, 0 for an unconditional model.
        truncation: see `latents.draw_z`.

    Returns:
        z `(N, z_dim)` float32; labels `(N,)` int32, label after label, or `None`.
    """
    z = latents.draw_z(seeds, z_dim, truncation=truncation).numpy()
    if not num_classes:
        return z, None
    if not labels:
        return z, latents.draw_labels(seeds, num_classes).numpy()
    return np.tile(z, (len(labels), 1)), np.repeat(np.int32(labels), len(seeds))


def generate_one_by_one(generator, z, labels=None):
    """Generates images in batches of one.

    In larger batches the last bits of an image can depend on the batch size, because
    sums are computed in another order.

    Args:
        generator: `keras.Model`.
        z: `(N, z_dim)` float32.
        labels: `(N,)` int32, or `None` for an unconditional generator.

    Returns:
        `(N, R, R, C)` float32 array in [-1, 1].
    """

    @tf.function(reduce_retracing=True)
    def generate(z, labels):
        return call(generator, z, labels, training=False)

    batches = []
    with progress_bar("Generating", len(z)) as bar:
        for i in range(len(z)):
            label = labels
            if labels is not None:
                label = tf.constant(labels[i : i + 1], tf.int32)
            batches.append(generate(tf.constant(z[i : i + 1]), label).numpy())
            bar.update()
    return np.concatenate(batches)


def from_network(generator):
    """Wraps a Keras generator in inference mode for `summarize_generator`."""

    def generate(z, labels):
        z = tf.cast(z, generator.inputs[0].dtype)
        return call(generator, z, labels, training=False)

    generate.z_dim = generator.inputs[0].shape[-1]
    return generate


def generate(network, z, *labels):
    """Calls a network on z, or on a list of z and possibly labels, for inference."""
    inputs = [z, *labels] if isinstance(network.input, list) else z
    return network(inputs, training=False)


class Generating:
    """The part of `SAGAN` that generates images: in `generate`, `sample` and calls."""

    def generate(self, z, labels=None, ema=True):
        """Generates images in inference mode.

        Args:
            z: `(N, z_dim)` float array or tensor, finite.
            labels: `(N,)` ints in [0, num_classes), or `None` when unconditional.
            ema: bool, whether to use the averaged generator, if there is one.

        Returns:
            Images, `(N, R, R, C)` float32 in [-1, 1].

        Raises:
            BadInput: z has another shape or is not finite; labels are missing,
                superfluous or out of range.
        """
        network = self._network(ema)
        z = checked_z(z, self.z_dim, network.inputs[0].dtype)
        labels = check_labels(labels, self.num_classes, len(z))
        return call(network, z, labels, training=False)

    def sample(self, count, labels=None, seed=0, ema=True, truncation=None):
        """Generates `count` images. Image i depends on `(seed, i)` alone.

        Args:
            count: int >= 1, number of images.
            labels: one int for all, `(count,)` ints, or `None` to draw them.
            seed: int.
            ema: see `generate`.
            truncation: see `latents.draw_z`.

        Returns:
            Images, `(count, R, R, C)` float32 in [-1, 1].

        Raises:
            BadInput: an argument is something else.
        """
        check_draw(count, seed, truncation)
        indices = range(count)
        z = latents.draw_z(indices, self.z_dim, seed, truncation)
        if self.num_classes is not None and labels is None:
            labels = latents.draw_labels(indices, self.num_classes, seed)
        elif labels is not None:
            labels = label_array(labels)
            if labels.size == 1:
                labels = np.broadcast_to(np.reshape(labels, [-1]), [count])
        return self.generate(z, labels, ema)

    def export(
        self,
        filepath,
        format="tf_saved_model",
        verbose=None,
        input_signature=None,
        ema=True,
    ):
        """Exports the generator, see `keras.Model.export`.

        `python -m sagan_tf.export` writes the folded generator of a run, with named
        signatures and a model card.

        Args:
            ema: see `generate`.
        """
        network = self._network(ema)
        return network.export(filepath, format, verbose, input_signature)

    def _network(self, ema):
        averaged = ema and self.ema_generator is not None
        return self.ema_generator if averaged else self.generator

    def call(self, inputs, training=False):
        """Calls the generator: `[z, labels] -> images`."""
        return self.generator(inputs, training=training)
