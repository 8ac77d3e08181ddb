"""The discriminator's last layer in AC-GAN: a logit and a classifier."""

import keras
from keras import ops

from sagan_tf.errors import BadInput
from sagan_tf.layers.spectrally_normalized_layer import SpectrallyNormalizedLayer


@keras.saving.register_keras_serializable(package="sagan_tf")
class AuxiliaryClassifierHead(SpectrallyNormalizedLayer):
    """Two linear maps of the pooled features: real or fake, and which class.

        logit = w^T h + b,   class logits = V^T h + c

    `w` and `V` are both spectrally normalized. The label only enters through the class
    losses: see `losses.class_cross_entropy`.

    Args:
        num_classes: int >= 1.
        kwargs: see `SpectrallyNormalizedLayer`.

    Call arguments:
        inputs: `(B, C)` float tensor, the pooled features h.
        training: bool, whether `u` is updated.

    Returns:
        `(B, 1 + num_classes)`: the logit, then the class logits.

    Raises:
        BadInput: there are no classes.

    Reference: Odena et al., Conditional Image Synthesis with Auxiliary Classifier GANs,
        arXiv 1610.09585
    """

    def __init__(self, num_classes, **kwargs):
        super().__init__(**kwargs)
        if not num_classes or num_classes < 1:
            raise BadInput(
                "AuxiliaryClassifierHead needs classes. Received: "
                f"num_classes={num_classes}. Try ProjectionHead."
            )
        self.num_classes = num_classes

    def build(self, input_shape):
        self.linear = self.dense(1, "linear")
        self.classifier = self.dense(self.num_classes, "classifier")
        self.linear.build(input_shape)
        self.classifier.build(input_shape)

    def call(self, inputs, training=False):
        logits = self.linear(inputs, training=training)
        class_logits = self.classifier(inputs, training=training)
        return ops.concatenate([logits, class_logits], axis=-1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1 + self.num_classes)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}
