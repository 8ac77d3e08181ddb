"""Keras' `fit` on several workers."""

import tensorflow as tf


class MultiWorkerFit:
    """Makes the `fit` of a `keras.Model` work on several workers.

    Keras 3 fails there in two places (keras-team/keras#20585), as
    `tests/multi_worker_test.py` shows. Inherit this class before `keras.Model`, and
    build networks, optimizers and metrics before `fit`. With any other strategy it
    changes nothing.
    """

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras builds the model from a batch. It cannot do so from the values of
        # several replicas, and the model is already built.
        if not is_multi_worker(self.distribute_strategy):
            return super()._maybe_symbolic_build(iterator, data_batch)
        return None

    def _make_function(self, step_function):
        if not is_multi_worker(self.distribute_strategy):
            return super()._make_function(step_function)

        # Keras averages metrics over workers along their axis 0, which scalars lack.
        def step_with_vectors(data):
            metrics = step_function(data)
            return tf.nest.map_structure(lambda x: tf.reshape(x, [1]), metrics)

        return super()._make_function(step_with_vectors)


def is_multi_worker(strategy):
    """Returns True if a strategy trains on several workers."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return False
    return bool(strategy.cluster_resolver.cluster_spec().as_dict())
