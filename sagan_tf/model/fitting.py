"""What `fit` and `evaluate` of a `SAGAN` add to those of `keras.Model`."""

import warnings

import keras
import numpy as np
import tensorflow as tf

from sagan_tf.distribution.keras_fit import is_multi_worker
from sagan_tf.errors import BadInput
from sagan_tf.model import step_metrics
from sagan_tf.model.adversarial_losses import call, count_of
from sagan_tf.model.arguments import check_numbers, check_optional, labels_of
from sagan_tf.model.batches import BatchCheck, errors_in_one_line, unpacked

# The number of batches between two checks of a `NonfiniteWatch`.
_LOOK_EVERY = 100


class Fitting:
    """The part of `SAGAN` that checks data, and evaluates on held-out images."""

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        shuffle=True,
        class_weight=None,
        sample_weight=None,
        initial_epoch=0,
        steps_per_epoch=None,
        validation_steps=None,
        validation_batch_size=None,
        validation_freq=1,
    ):
        """Trains the model, see `keras.Model.fit`.

        Images are `(B, R, R, C)` floats in [-1, 1], labels `(B,)` or `(B, 1)` ints in
        [0, num_classes). All of them are checked. A batch that cannot be cut into
        `discriminator_steps * gradient_accumulation_steps` equal parts on each replica
        is an error. If its size is not known in advance, it is left out with a warning.
        Training stops with a warning when a value becomes NaN or infinite.

        Raises:
            BadInput: images or labels are something else, or weights are given.
        """
        _refuse_weights(class_weight, sample_weight)
        check_numbers(0, {"epochs": epochs, "initial_epoch": initial_epoch})
        sizes = {
            "batch_size": batch_size,
            "steps_per_epoch": steps_per_epoch,
            "validation_steps": validation_steps,
            "validation_batch_size": validation_batch_size,
        }
        check_optional(sizes)
        if not np.ndim(validation_freq):  # A list names the epochs.
            check_numbers(1, {"validation_freq": validation_freq})
        _check_split(validation_split)
        if validation_split and validation_data is None and hasattr(x, "dtype"):
            kept = int(len(x) * (1 - validation_split))
            validation_data = x[kept:], None if y is None else y[kept:]
            x, y, validation_split = x[:kept], None if y is None else y[:kept], 0.0
        parts = self.discriminator_steps * self.gradient_accumulation_steps
        x, y = self._batch_check(parts).checked(x, y, batch_size, shuffle)
        if validation_data is not None:
            val_x, val_y, weight = keras.utils.unpack_x_y_sample_weight(validation_data)
            _refuse_weights(None, weight)
            val_size = validation_batch_size or batch_size
            validation_data = self._batch_check().checked(val_x, val_y, val_size)
        callbacks = self._with_watch(callbacks)
        with errors_in_one_line():
            return super().fit(
                x=x,
                y=y,
                epochs=epochs,
                verbose=verbose,
                callbacks=callbacks,
                validation_split=validation_split,
                validation_data=validation_data,
                shuffle=shuffle,
                initial_epoch=initial_epoch,
                validation_freq=validation_freq,
                **sizes,
            )

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        sample_weight=None,
        steps=None,
        callbacks=None,
        return_dict=False,
        _use_cached_eval_dataset=False,
    ):
        """Computes the losses on held-out images, see `keras.Model.evaluate`.

        Data and errors are those of `fit`, the metrics those of `test_step`.
        """
        _refuse_weights(None, sample_weight)
        check_optional({"batch_size": batch_size, "steps": steps})
        if not _use_cached_eval_dataset:  # `fit` has checked it.
            x, y = self._batch_check().checked(x, y, batch_size)
        with errors_in_one_line():
            return super().evaluate(
                x=x,
                y=y,
                batch_size=batch_size,
                verbose=verbose,
                steps=steps,
                callbacks=callbacks,
                return_dict=return_dict,
                _use_cached_eval_dataset=_use_cached_eval_dataset,
            )

    def train_on_batch(
        self, x, y=None, sample_weight=None, class_weight=None, return_dict=False
    ):
        """Trains one step on arrays, see `fit` and `keras.Model.train_on_batch`."""
        _refuse_weights(class_weight, sample_weight)
        parts = self.discriminator_steps * self.gradient_accumulation_steps
        x, y = self._batch_check(parts).arrays(x, y)
        return super().train_on_batch(x, y, return_dict=return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Computes losses on arrays, see `evaluate` and `keras.Model.test_on_batch`."""
        _refuse_weights(None, sample_weight)
        x, y = self._batch_check().arrays(x, y)
        return super().test_on_batch(x, y, return_dict=return_dict)

    def test_step(self, data):
        """Computes losses, logits and accuracies on held-out images, without training.

        As in training, the generator normalizes with the statistics of the batch, and
        batch k of an evaluation has its own z and labels. D sees images without
        augmentation. `u`, moving statistics and the step do not change.

        Args:
            data: see `train_step`; one batch, which is not split.

        Returns:
            Dict of the metrics of `step_metrics.HELD_OUT`.
        """
        images, labels = unpacked(data)
        labels = labels_of(self, images, labels)
        draw = tf.cast(self._trackers["g_loss"].count, tf.int64)
        with keras.StatelessScope():
            z, both = self.draw_latents(draw, count_of(images), labels)
            g_loss = self.generator_loss(z, both)
            fakes = call(self.generator, z, both)
            if both is not None:
                both = tf.concat([labels, both], 0)
            d_loss, *logits = self.discriminator_loss(images, fakes, both)
        self._trackers["g_loss"].update_state(g_loss)
        step_metrics.track_discriminator(self._trackers, d_loss, *logits, both)
        names = [name for name in self._trackers if name in step_metrics.HELD_OUT]
        return {name: self._trackers[name].result() for name in names}

    def _make_function(self, step_function):
        # Otherwise TensorFlow would run the parts that need no data (the generator's
        # step, the counters) even if the next batch is an error or there is none.
        def step_after_data(data):
            data = [None if x is None else tf.identity(x) for x in unpacked(data)]
            with tf.control_dependencies([x for x in data if x is not None]):
                return step_function(tuple(data))

        return super()._make_function(step_after_data)

    def _batch_check(self, parts=1):
        return BatchCheck(
            self.discriminator.inputs[0].shape[1:],
            self.num_classes,
            parts,
            self.distribute_strategy.num_replicas_in_sync,
        )

    def _with_watch(self, callbacks):
        """Adds a `NonfiniteWatch` to the callbacks, and gives each one a direction."""
        if isinstance(callbacks, keras.callbacks.CallbackList):
            return callbacks
        if not isinstance(callbacks, (tuple, list)):
            callbacks = [] if callbacks is None else [callbacks]
        for callback in callbacks:
            _give_direction(callback)
        if any(getattr(each, "stops_at_nonfinite", False) for each in callbacks):
            return callbacks
        return [*callbacks, NonfiniteWatch()]


class NonfiniteWatch(keras.callbacks.Callback):
    """Stops a training in a notebook, with a warning, when a value is not finite.

    A callback with the attribute `stops_at_nonfinite` replaces it.
    """

    def on_train_begin(self, logs=None):
        self._looked_at = 0

    def on_train_batch_end(self, batch, logs=None):
        # A check at every step would wait for the device each time.
        if batch - self._looked_at >= _LOOK_EVERY:
            self._looked_at = batch
            self._look()

    def on_epoch_end(self, epoch, logs=None):
        self._looked_at = 0
        self._look()

    def _look(self):
        step = int(self.model.first_nonfinite_step.numpy())
        if step < 0 or self.model.stop_training:
            return
        warnings.warn(
            "All images, losses and weights must be finite. Received: a NaN or "
            f"infinite value at step {step:,}, so the training stops. Try images "
            "without NaN, smaller learning rates, and weights saved before that step.",
            stacklevel=2,
        )
        # One worker must not stop alone: the others would wait for it.
        if not is_multi_worker(self.model.distribute_strategy):
            self.model.stop_training = True


def _give_direction(callback):
    """Sets whether a smaller value is better. Keras would not find this by itself.

    Raises:
        BadInput: the metric has no direction.
    """
    monitor = getattr(callback, "monitor", None)
    if monitor is None or getattr(callback, "mode", None) != "auto":
        return
    name = monitor.removeprefix("val_")
    if name in step_metrics.DIRECTIONS:
        callback.mode = step_metrics.DIRECTIONS[name]
    elif getattr(callback, "save_best_only", True):
        raise BadInput(
            f"{type(callback).__name__} needs to know whether {monitor} should fall "
            f"or rise. Received: mode='auto'. Try mode='min', or to monitor one of "
            f"{', '.join(step_metrics.DIRECTIONS)}."
        )


def _check_split(validation_split):
    """Raises `BadInput` for a share that Keras would accept or report differently."""
    if not 0 <= validation_split < 1:
        raise BadInput(
            "validation_split must be at least 0 and below 1. Received: "
            f"{validation_split!r}. Try 0.1."
        )


def _refuse_weights(class_weight, sample_weight):
    if class_weight is not None or sample_weight is not None:
        name = "sample_weight" if class_weight is None else "class_weight"
        raise BadInput(
            "The losses of a SAGAN give every image the same weight. Received: "
            f"{name}. Try a data set that repeats images according to their weight."
        )
