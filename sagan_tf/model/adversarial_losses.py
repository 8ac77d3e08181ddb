"""The losses of one pass of a `SAGAN`, and the z and labels that the pass needs."""

import keras
import tensorflow as tf

from sagan_tf.model import latents
from sagan_tf.model.arguments import has_classifier
from sagan_tf.networks.losses import LOSSES, class_cross_entropy, mode_seeking

# The random numbers of one pass: for the real images and for the generated ones.
_REAL, _FAKE = 0, 1


class Losses:
    """The part of `SAGAN` that computes losses. It changes no weight or optimizer."""

    def generator_loss(self, z, labels, draw=None):
        """Computes the generator's loss on D(G(z)). D's `u` does not change.

        Args:
            z: `(B, z_dim)` float tensor.
            labels: `(B,)` int32 tensor, or `None` when unconditional.
            draw: int, number of the pass within the step, for the augmentation.
                With `None`, images are not augmented and mode seeking is left out.

        Returns:
            Scalar tensor.
        """
        fakes = call(self.generator, z, labels)
        seen = self._augmented(fakes, draw, _FAKE)
        # The scope discards what D would assign to its `u`.
        with keras.StatelessScope():
            logits, class_logits = self._judge(seen, labels)
        loss = LOSSES[self.loss_name][1](logits)
        if self.mode_seeking_weight and draw is not None:
            seeking, distance = mode_seeking(fakes, self.mode_seeking_distance)
            self._trackers["pair_distance"].update_state(distance)
            loss += self.mode_seeking_weight * tf.cast(seeking, loss.dtype)
        return loss + self._class_loss(class_logits, labels)

    def discriminator_loss(self, images, fakes, labels, draw=None):
        """Computes the discriminator's loss in one pass over real and fake together.

        Args:
            images, fakes: `(B, R, R, C)` float tensors, real and generated.
            labels: `(2 B,)` int32 tensor, the real images' first, or `None` when
                unconditional.
            draw: see `generator_loss`.

        Returns:
            Scalar tensor; logits `(2 B, 1)`, the real images' first; class logits
            `(2 B, num_classes)`, or `None` without a classifier.
        """
        images = self._augmented(tf.cast(images, fakes.dtype), draw, _REAL)
        fakes = self._augmented(fakes, draw, _FAKE)
        logits, class_logits = self._judge(tf.concat([images, fakes], 0), labels)
        loss = sum(LOSSES[self.loss_name][0](*tf.split(logits, 2)))
        # Twice the mean over all is the mean over real plus the mean over fake images.
        loss += 2 * self._class_loss(class_logits, labels)
        return loss, logits, class_logits

    def draw_latents(self, draw, count, real_labels=None, pairs=False):
        """Draws z and fake labels for one pass of the current step.

        Args:
            draw: int, number of the pass within the step.
            count: int or int tensor, images on this replica.
            real_labels: `(count,)` int32 tensor, used if `fake_labels` is `"data"`.
            pairs: bool, whether images 2 i and 2 i + 1 get the same label.

        Returns:
            z `(count, z_dim)`, labels `(count,)` int32 or `None` when unconditional.
        """
        from_data = self.fake_labels == "data"
        # Labels from the data are drawn as indices into the batch.
        limit = count if from_data else self.num_classes
        dtype = self.generator.inputs[0].dtype
        z, labels = latents.draw_training_latents(
            self.seed, self.step.value, draw, count, self.z_dim, dtype, limit
        )
        if self.num_classes is None:
            return z, None
        if pairs:
            labels = tf.repeat(labels[::2], 2)[:count]
        return z, tf.gather(real_labels, labels) if from_data else labels

    def _augmented(self, images, draw, part):
        if self.augmentation is None or draw is None:
            return images
        uniforms = latents.draw_training_uniforms(
            self.seed, self.step.value, 2 * draw + part, count_of(images)
        )
        return self.augmentation([images, uniforms])

    def _judge(self, images, labels):
        """Returns the discriminator's logits, and its class logits or `None`."""
        if has_classifier(self.discriminator):
            return tf.split(call(self.discriminator, images, None), [1, -1], axis=1)
        return call(self.discriminator, images, labels), None

    def _class_loss(self, class_logits, labels):
        if class_logits is None:
            return 0.0
        return self.class_loss_weight * class_cross_entropy(class_logits, labels)


def count_of(images):
    """Returns the batch size: an int if it is known when the step is traced."""
    return tf.shape(images)[0] if images.shape[0] is None else images.shape[0]


def call(network, inputs, labels, training=True):
    """Calls a network on `inputs`, or on a list of `inputs` and labels."""
    return network(inputs if labels is None else [inputs, labels], training=training)
