"""One learning rate for two optimizers."""

import math

import keras
import tensorflow as tf

from sagan_tf.errors import BadInput


class OptimizerPair:
    """The `model.optimizer` of a `SAGAN`, as Keras' callbacks see it.

    Its learning rate is the generator's. Setting it also sets the discriminator's and
    keeps their ratio (TTUR): `LearningRateScheduler` and `ReduceLROnPlateau` change
    both. To change the ratio, set the learning rates of `generator_optimizer` and
    `discriminator_optimizer` themselves. All other attributes are the generator's.

    Args:
        generator_optimizer, discriminator_optimizer: Keras optimizers.
    """

    def __init__(self, generator_optimizer, discriminator_optimizer):
        self._pair = generator_optimizer, discriminator_optimizer
        self._ratio = None
        self._note_ratio()

    @property
    def learning_rate(self):
        # Not the variable: assigning to it would change only the generator's rate.
        return tf.convert_to_tensor(self._pair[0].learning_rate)

    @learning_rate.setter
    def learning_rate(self, value):
        self._note_ratio()
        try:
            value = float(value)
        except (TypeError, ValueError):
            is_rate = False
        else:
            is_rate = 0 <= value < math.inf
        if not is_rate or self._ratio is None:
            raise BadInput(
                "model.optimizer.learning_rate must be a number of at least 0, and the "
                "generator's must not start at 0, because the discriminator's keeps "
                f"its ratio to it. Received: {value!r}. Try "
                "model.generator_optimizer.learning_rate and "
                "model.discriminator_optimizer.learning_rate."
            )
        for optimizer, factor in zip(self._pair, (1.0, self._ratio)):
            optimizer.learning_rate = factor * value

    @property
    def variables(self):
        """The variables of both optimizers."""
        return self._pair[0].variables + self._pair[1].variables

    def __getattr__(self, name):
        if name.startswith("__") or name == "_pair":
            raise AttributeError(name)
        return getattr(self._pair[0], name)

    def _note_ratio(self):
        # A rate of 0, as at the start of a warm-up, has no ratio: the last is kept.
        generator_rate, discriminator_rate = (
            float(keras.ops.convert_to_numpy(each.learning_rate)) for each in self._pair
        )
        if generator_rate:
            self._ratio = discriminator_rate / generator_rate
