"""The discriminator's last layer: a linear logit plus a class projection."""

import keras
from keras import ops

from sagan_tf.layers.checks import check_labels
from sagan_tf.layers.spectrally_normalized_layer import SpectrallyNormalizedLayer


@keras.saving.register_keras_serializable(package="sagan_tf")
class ProjectionHead(SpectrallyNormalizedLayer):
    """The projection discriminator: `logit = w^T h + b + <h, embedding(y)>`.

    `w` and the embedding table are both spectrally normalized (the table on its
    transpose, as in the official code). Without classes only the linear part remains.

    Args:
        num_classes: int, or `None` for an unconditional head.
        kwargs: see `SpectrallyNormalizedLayer`.

    Call arguments:
        inputs: `(B, C)` float tensor, the pooled features h.
        labels: `(B,)` or `(B, 1)` int tensor in [0, num_classes); only with classes.
        training: bool, whether `u` is updated.

    Returns:
        Logits, `(B, 1)`.

    Raises:
        BadInput: labels are missing although there are classes, or the reverse, or
            they have another shape.

    Reference:
        - Miyato & Koyama, cGANs with Projection Discriminator, arXiv 1802.05637
        - self-attention-gan `discriminator.py`: the end of `discriminator_test`
    """

    def __init__(self, num_classes=None, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes or None

    def build(self, inputs_shape, labels_shape=None):
        self.linear = self.dense(1, "linear")
        self.linear.build(inputs_shape)
        self.embedding = None
        if self.num_classes is not None:
            channels = inputs_shape[-1]
            self.embedding = self.table(self.num_classes, channels, "embedding")

    def call(self, inputs, labels=None, training=False):
        labels = check_labels(self, labels)
        logits = self.linear(inputs, training=training)
        if labels is None:
            return logits
        embedded = self.embedding(labels, training=training)
        return logits + ops.sum(inputs * embedded, axis=-1, keepdims=True)

    def compute_output_shape(self, inputs_shape, labels_shape=None):
        return (inputs_shape[0], 1)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}
