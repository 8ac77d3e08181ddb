"""Adam as one operation a variable."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="sagan_tf")
class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam`, computed by the kernel that the official code used.

    With g the gradient and t the number of the update,

        m = beta_1 m + (1 - beta_1) g,   v = beta_2 v + (1 - beta_2) g^2,
        w = w - lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon).

    Keras writes this as some forty operations a variable, each a pass over memory and
    a part of the time that the first step takes to prepare. TensorFlow's
    `ResourceApplyAdam`, the heir of TensorFlow 1's `ApplyAdam`, does it in one pass.

    Args:
        see `keras.optimizers.Adam`, but for `amsgrad`, which is refused.

    Raises:
        ValueError: `amsgrad` is asked for.

    Reference:
        - Kingma & Ba, Adam, arXiv 1412.6980, the last lines of section 2
        - self-attention-gan `model.py`: `tf.train.AdamOptimizer`
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.amsgrad:
            raise ValueError(
                "This Adam has no amsgrad. Received: amsgrad=True. "
                "Try keras.optimizers.Adam(amsgrad=True)."
            )

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable and its two moments."""
        dtype = variable.dtype
        t = tf.cast(self.iterations.value + 1, dtype)
        index = self._get_variable_index(variable)
        m, v = self._momentums[index].value, self._velocities[index].value
        if isinstance(variable, keras.Variable):
            variable = variable.value
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=m.handle,
            v=v.handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, dtype), t),
            beta2_power=tf.pow(tf.cast(self.beta_2, dtype), t),
            lr=tf.cast(learning_rate, dtype),
            beta1=tf.cast(self.beta_1, dtype),
            beta2=tf.cast(self.beta_2, dtype),
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )
