"""The metrics of a training step: means since the last reset.

- always: `g_loss`, `d_loss`, and from D's own step `real_logits`, `fake_logits` and
  `d_accuracy` (share of real logits above and fake logits below 0);
- with an auxiliary classifier: its `real_class_accuracy` and `fake_class_accuracy`;
- with mode seeking: `pair_distance`, see `losses.mode_seeking`;
- with an adaptive augmentation: its `augment_probability`;
- for each attention layer: `gamma_<network>_<layer>`.
"""

import keras
import tensorflow as tf

from sagan_tf.layers import ResidualBottleneck, SelfAttention
from sagan_tf.model.arguments import has_classifier

_ALWAYS = ("g_loss", "d_loss", "real_logits", "fake_logits", "d_accuracy")
_CLASS_ACCURACIES = ("real_class_accuracy", "fake_class_accuracy")

# The metrics of `SAGAN.test_step`.
HELD_OUT = (*_ALWAYS, *_CLASS_ACCURACIES)

# For callbacks: whether a smaller or a larger value is better for the network that the
# metric belongs to. No loss of a GAN says how good its images are.
DIRECTIONS = {
    "g_loss": "min",
    "d_loss": "min",
    "d_accuracy": "max",
    "real_class_accuracy": "max",
    "fake_class_accuracy": "max",
}


def make_trackers(model):
    """Makes a `keras.metrics.Mean` for each metric of a `SAGAN`, in the logs' order.

    Returns:
        Dict of name to metric.
    """
    names = list(_ALWAYS)
    if has_classifier(model.discriminator):
        names += _CLASS_ACCURACIES
    if model.mode_seeking_weight:
        names.append("pair_distance")
    if model.adapts_augmentation:
        names.append("augment_probability")
    names += model.gammas()
    return {name: keras.metrics.Mean(name=name) for name in names}


def track_discriminator(trackers, loss, logits, class_logits, labels):
    """Updates the metrics of the discriminator with one pass over real and fake.

    Args:
        trackers: dict from `make_trackers`.
        loss: scalar tensor.
        logits: `(2 B, 1)` float tensor, the real images first, here and below.
        class_logits: `(2 B, num_classes)` float tensor, or `None` without a classifier.
        labels: `(2 B,)` int32 tensor, or `None` when unconditional.
    """
    real, fake = tf.split(logits, 2)
    correct = tf.concat([real > 0, fake < 0], 0)
    trackers["d_loss"].update_state(loss)
    trackers["real_logits"].update_state(real)
    trackers["fake_logits"].update_state(fake)
    trackers["d_accuracy"].update_state(tf.cast(correct, tf.float32))
    if class_logits is not None:
        correct = tf.argmax(class_logits, -1, labels.dtype) == labels
        for name, half in zip(_CLASS_ACCURACIES, tf.split(correct, 2)):
            trackers[name].update_state(tf.cast(half, tf.float32))


def gammas(generator, discriminator):
    """Returns gamma for each attention layer or `ResidualBottleneck` of two networks.

    Returns:
        Dict of `gamma_g_<layer>` and `gamma_d_<layer>` to scalar tensors.
    """
    # Tensors, because a variable on several replicas has no value outside of them.
    return {
        f"gamma_{letter}_{layer.name}": tf.convert_to_tensor(layer.gamma)
        for letter, network in (("g", generator), ("d", discriminator))
        for layer in network.layers
        if isinstance(layer, (ResidualBottleneck, SelfAttention))
    }
