"""Keras' fit, mended for several workers (tests/multi_worker_test.py runs it)."""

import tensorflow as tf

from sagan_tf.distribution import keras_fit


def test_the_fit_of_one_worker_is_that_of_keras():
    class Plain:
        distribute_strategy = tf.distribute.get_strategy()

        def _make_function(self, step_function):
            return step_function

        def _maybe_symbolic_build(self, iterator=None, data_batch=None):
            return "built"

    class Mended(keras_fit.MultiWorkerFit, Plain):
        pass

    assert Mended()._make_function(abs) is abs
    assert Mended()._maybe_symbolic_build() == "built"
