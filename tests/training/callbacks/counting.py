"""A fake model that only counts steps, and one of two fake workers."""

import keras
import numpy as np
import tensorflow as tf

from sagan_tf.distribution.workers import Workers


class CountingModel(keras.Model):
    """Has the parts of `SAGAN` that callbacks use; draws gray images by label."""

    def __init__(self, step=0, num_classes=3, nonfinite_at=None):
        super().__init__()
        self.z_dim, self.num_classes = 2, num_classes
        self.nonfinite_at = nonfinite_at
        self.step = tf.Variable(step, dtype=tf.int64)
        self.first_nonfinite_step = tf.Variable(-1, dtype=tf.int64)
        self.weight = self.add_weight(shape=(2,), name="weight")
        self.seen_z = []
        self.built = True

    def train_step(self, data):
        self.step.assign_add(1)
        if self.nonfinite_at is not None and self.step == self.nonfinite_at:
            self.first_nonfinite_step.assign(self.step)
        return {"loss": tf.cast(self.step, tf.float32)}

    def checkpoint_items(self):
        return {"step": self.step}

    def generate(self, z, labels=None):
        self.seen_z.append(np.array(z))
        gray = np.zeros(len(z)) if labels is None else np.asarray(labels) / 100
        return tf.constant(
            np.broadcast_to(gray[:, None, None, None], (len(z), 4, 4, 1))
        )


def fit(model, steps, *callbacks):
    model.compile(run_eagerly=True)
    data = tf.data.Dataset.from_tensors(tf.zeros([1])).repeat()
    model.fit(
        data, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=list(callbacks)
    )


class TwoWorkers(Workers):
    """One of two workers; the other one sends the same number every time."""

    def __init__(self, index, others):
        super().__init__(index, 2)
        self._others = float(others)

    def gather(self, *numbers):
        return [tuple(map(float, numbers)), (self._others,)]
