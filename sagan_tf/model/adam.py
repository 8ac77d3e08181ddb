"""Adam as one operation per variable, and functions that prepare optimizers."""

import keras
import tensorflow as tf

from sagan_tf.errors import BadInput


@keras.saving.register_keras_serializable(package="sagan_tf")
class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam`, computed by the kernel that the official code used.

    With g the gradient and t the number of the update,

        m = beta_1 m + (1 - beta_1) g,   v = beta_2 v + (1 - beta_2) g^2,
        w = w - lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon).

    Keras needs about forty operations for each variable, and each of them passes over
    memory. TensorFlow's `ResourceApplyAdam` does it in one pass.

    Args:
        see `keras.optimizers.Adam`. `amsgrad` must be `False`.

    Raises:
        BadInput: `amsgrad` is `True`.

    Reference:
        - Kingma & Ba, Adam, arXiv 1412.6980, the last lines of section 2
        - self-attention-gan `model.py`: `tf.train.AdamOptimizer`
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.amsgrad:
            raise BadInput(
                "This Adam has no amsgrad. Received: amsgrad=True. "
                "Try keras.optimizers.Adam(amsgrad=True)."
            )

    def apply(self, grads, trainable_variables=None):
        """Updates all variables."""
        self._scalars = _Scalars(self)
        super().apply(grads, trainable_variables)

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable and its two moments."""
        dtype = variable.dtype
        index = self._get_variable_index(variable)
        m, v = self._momentums[index].value, self._velocities[index].value
        if isinstance(variable, keras.Variable):
            variable = variable.value
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=m.handle,
            v=v.handle,
            grad=tf.cast(gradient, dtype),
            **self._scalars.of(dtype, learning_rate),
        )


class _Scalars:
    """The scalars of one update, computed once for each dtype.

    They are not a dict of the optimizer, because checkpoints would contain it.
    """

    def __init__(self, optimizer):
        self._optimizer = optimizer
        self._by_dtype = {}

    def of(self, dtype, learning_rate):
        """Returns a dict of the scalar arguments of `ResourceApplyAdam`."""
        if dtype not in self._by_dtype:
            adam = self._optimizer
            t = tf.cast(adam.iterations.value + 1, dtype)
            beta1, beta2 = (tf.cast(beta, dtype) for beta in (adam.beta_1, adam.beta_2))
            self._by_dtype[dtype] = {
                "beta1_power": tf.pow(beta1, t),
                "beta2_power": tf.pow(beta2, t),
                "lr": tf.cast(learning_rate, dtype),
                "beta1": beta1,
                "beta2": beta2,
                "epsilon": tf.cast(adam.epsilon, dtype),
            }
        return self._by_dtype[dtype]


def official_adam(learning_rate):
    """Returns the official Adam: beta1 0, TensorFlow 1's beta2 and epsilon."""
    return Adam(learning_rate, beta_1=0.0, beta_2=0.999, epsilon=1e-8)


def refuse_average(optimizer):
    """Raises `BadInput` if an optimizer keeps its own average of the weights."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if optimizer.use_ema:
        raise BadInput(
            "The optimizers of a SAGAN must not keep a moving average, because "
            "nothing would use it. Received: use_ema=True. Try SAGAN(ema_decay=0.9999)."
        )


def with_loss_scale(optimizer):
    """Returns the optimizer, wrapped in a `LossScaleOptimizer` if it is not one."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer)
