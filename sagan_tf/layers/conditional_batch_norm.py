"""Batch normalization with a gain and a bias per class."""

import keras
from keras import ops

from sagan_tf.layers.checks import check_labels, check_map


@keras.saving.register_keras_serializable(package="sagan_tf")
class ConditionalBatchNorm(keras.layers.Layer):
    """Batch normalization whose gamma and beta are looked up by class.

        y = gamma[label] * (x - mean) / sqrt(variance + epsilon) + beta[label]

    Training uses the batch's mean and biased variance over B, H and W, and updates
    `moving = momentum * moving + (1 - momentum) * batch`. Inference uses the moving
    values. Without classes this is plain batch normalization. Everything is computed in
    float32 (float64 for a float64 layer), even under mixed precision.

    After n updates the initial values, mean 0 and variance 1, still have the weight
    momentum^n. `debias` removes this weight, as Adam does:

        w = momentum * w + (1 - momentum)             (from 0, so w = 1 - momentum^n)
        moving = moving + (1 - momentum) / w * (batch - moving)

    The moving values then come from batches alone, from the first update on.

    Args:
        num_classes: int, or `None` for one gamma and beta for all (unconditional).
        momentum: float in [0, 1), decay of the moving statistics. Official: 0.999.
        epsilon: float, added to the variance. Official: 1e-5.
        synchronized: bool, whether the batch statistics are taken over all replicas.
        unbiased_moving_variance: bool, whether the moving variance uses the batch's
            variance times n / (n - 1), as TensorFlow 1's fused kernel does in the
            official generator's last normalization; n is the number of values per
            channel on one replica.
        debias: bool, whether the moving statistics are corrected for their initial
            values. It adds the scalar weight w, `moving_weight`; a layer whose moving
            values are final has w = 1. Official: no.

    Call arguments:
        inputs: `(B, H, W, C)` float tensor.
        labels: `(B,)` or `(B, 1)` int tensor in [0, num_classes); only with classes.
        training: bool, whether batch statistics are used and update the moving ones.

    Returns:
        `(B, H, W, C)` tensor.

    Raises:
        BadInput: labels are missing although there are classes, or the reverse; inputs
            or labels have another shape.

    Reference:
        - Dumoulin et al., A Learned Representation for Artistic Style, arXiv 1610.07629
        - self-attention-gan `ops.py`: `ConditionalBatchNorm`
    """

    def __init__(
        self,
        num_classes=None,
        momentum=0.999,
        epsilon=1e-5,
        synchronized=False,
        unbiased_moving_variance=False,
        debias=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_classes = num_classes or None
        self.momentum = momentum
        self.epsilon = epsilon
        self.synchronized = synchronized
        self.unbiased_moving_variance = unbiased_moving_variance
        self.debias = debias

    def build(self, inputs_shape, labels_shape=None):
        check_map(self, inputs_shape)
        channels = inputs_shape[-1]
        self._build_tables(channels)
        self.moving_mean = self._add("moving_mean", "zeros", (channels,), moves=True)
        self.moving_variance = self._add(
            "moving_variance", "ones", (channels,), moves=True
        )
        if self.debias:
            self.moving_weight = self._add("moving_weight", "zeros", (), moves=True)

    def _build_tables(self, channels):
        shape = (
            (channels,) if self.num_classes is None else (self.num_classes, channels)
        )
        self.gamma = self._add("gamma", "ones", shape)
        self.beta = self._add("beta", "zeros", shape)

    def _add(self, name, initializer, shape, moves=False):
        return self.add_weight(
            shape=shape,
            initializer=initializer,
            trainable=not moves,
            autocast=False,
            aggregation="mean" if moves else "none",
            name=name,
        )

    def call(self, inputs, labels=None, training=False):
        labels = check_labels(self, labels)
        x = ops.cast(inputs, self.moving_mean.dtype)
        if training and self.trainable:
            mean, variance = self._batch_statistics(x)
        else:
            mean, variance = self.moving_mean, self.moving_variance
        gamma, beta = self._look_up(labels, training)
        scale = gamma * ops.rsqrt(variance + self.epsilon)
        return ops.cast(x * scale + (beta - mean * scale), self.compute_dtype)

    def tables(self):
        """Returns gain and bias in inference: `(num_classes, C)` or `(C,)` tensors."""
        return ops.convert_to_tensor(self.gamma), ops.convert_to_tensor(self.beta)

    def _look_up(self, labels, training):
        """Returns gain and bias, `(B, 1, 1, C)`, or `(C,)` without classes."""
        gamma, beta = self.tables()
        if labels is None:
            return gamma, beta
        # One look-up for both.
        both = ops.take(ops.concatenate([gamma, beta], -1), labels, axis=0)
        return ops.split(both[:, None, None, :], 2, axis=-1)

    def _batch_statistics(self, x):
        mean, variance = ops.moments(x, (0, 1, 2), synchronized=self.synchronized)
        stored = variance
        if self.unbiased_moving_variance:
            n = ops.cast(ops.prod(ops.shape(x)[:3]), x.dtype)
            stored = variance * (n / ops.maximum(n - 1, 1))
        old, new = self._shares()
        statistics = (self.moving_mean, self.moving_variance)
        for moving, batch in zip(statistics, (mean, stored)):
            moving.assign(moving * old + batch * new)
        return mean, variance

    def _shares(self):
        """Returns the shares of the old moving values and of the batch statistics."""
        new = 1 - self.momentum
        if not self.debias:
            return self.momentum, new
        # Differs from the official code, which has no correction.
        weight = self.moving_weight * self.momentum + new
        self.moving_weight.assign(weight)
        return 1 - new / weight, new / weight

    def compute_output_shape(self, inputs_shape, labels_shape=None):
        return inputs_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "synchronized": self.synchronized,
            "unbiased_moving_variance": self.unbiased_moving_variance,
            "debias": self.debias,
        }
