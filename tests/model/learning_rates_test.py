"""Keras' callbacks move both learning rates."""

import keras
import numpy as np
import pytest

from sagan_tf.errors import BadInput
from sagan_tf.model.learning_rates import OptimizerPair
from tests.model.fitting_test import data, fit, light


def rates(model):
    optimizers = model.generator_optimizer, model.discriminator_optimizer
    return [float(optimizer.learning_rate) for optimizer in optimizers]


def pair(*learning_rates):
    return OptimizerPair(*(keras.optimizers.SGD(rate) for rate in learning_rates))


def test_the_scheduler_moves_both():
    schedule = {0: 0.0, 1: 0.5, 2: 0.25}  # A warm-up starts at 0.
    callback = keras.callbacks.LearningRateScheduler(lambda epoch, lr: schedule[epoch])
    model = light()
    for epochs, expected in enumerate(schedule.values(), 1):
        fit(
            model,
            *data(),
            callbacks=[callback],
            initial_epoch=epochs - 1,
            epochs=epochs,
        )
        np.testing.assert_allclose(rates(model), [expected, 4 * expected], rtol=1e-6)


def test_the_reduction_on_a_plateau_moves_both():
    options = {"factor": 0.5, "patience": 1, "min_delta": 100}
    callback = keras.callbacks.ReduceLROnPlateau("d_loss", **options)
    model = light()
    fit(model, *data(), callbacks=[callback], epochs=2)
    np.testing.assert_allclose(rates(model), [0.005, 0.02], rtol=1e-6)


def test_an_assignment_moves_both():
    model = light()
    model.optimizer.learning_rate = 0.1
    np.testing.assert_allclose(rates(model), [0.1, 0.4], rtol=1e-6)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.1)


def test_each_can_be_set_alone_which_is_a_new_ratio():
    model = light()
    model.generator_optimizer.learning_rate = 0.02
    np.testing.assert_allclose(rates(model), [0.02, 0.04], rtol=1e-6)
    model.optimizer.learning_rate = 0.1
    np.testing.assert_allclose(rates(model), [0.1, 0.2], rtol=1e-6)


@pytest.mark.parametrize(
    ("rate", "value"),
    [
        (0.0, 0.1),
        (0.1, keras.optimizers.schedules.CosineDecay(1, 9)),
        (0.1, np.nan),
        (0.1, np.inf),
        (0.1, -0.1),
        (0.1, "fast"),
    ],
)
def test_without_a_ratio_or_a_number_nothing_moves(rate, value):
    both = pair(rate, 0.1)
    with pytest.raises(BadInput, match="must be a number"):
        both.learning_rate = value
    assert float(both.learning_rate) == pytest.approx(rate)


def test_the_rate_of_one_alone_cannot_be_assigned():
    with pytest.raises(AttributeError, match="assign"):
        pair(0.1, 0.4).learning_rate.assign(0.2)


def test_the_rest_is_the_generators():
    model = light()
    model.generator_optimizer.iterations.assign(7)
    assert int(model.optimizer.iterations) == 7
    assert model.optimizer.built
    assert len(model.optimizer.variables) == 4
    with pytest.raises(AttributeError):
        model.optimizer.nothing  # noqa: B018
