"""Adam in one operation is Adam."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.model.adam import Adam, refuse_average, with_loss_scale

SETTINGS = {"learning_rate": 0.01, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}


def updated(optimizer, dtype="float64", steps=4):
    random = np.random.default_rng(0)
    variables = [
        keras.Variable(random.normal(size=shape), dtype=dtype)
        for shape in ((3, 4), (5,), ())
    ]
    optimizer.build(variables)
    for _ in range(steps):
        gradients = [tf.constant(random.normal(size=v.shape), dtype) for v in variables]
        optimizer.apply(gradients, variables)
    state = [*variables, *optimizer.variables]
    return [keras.ops.convert_to_numpy(variable) for variable in state]


@pytest.mark.parametrize("settings", [SETTINGS, {**SETTINGS, "beta_1": 0.0}])
def test_makes_the_updates_of_keras_adam(settings):
    ours, theirs = updated(Adam(**settings)), updated(keras.optimizers.Adam(**settings))
    assert len(ours) == len(theirs) == 3 + 2 + 6
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-8)


def test_the_first_update_is_the_formula():
    variable = keras.Variable(np.array([1.0, -2.0, 3.0]), dtype="float64")
    gradient = np.array([0.5, -0.25, 1e-4])
    optimizer = Adam(**SETTINGS)
    optimizer.apply([tf.constant(gradient)], [variable])
    m, v = 0.5 * gradient, 0.1 * gradient**2
    rate = 0.01 * np.sqrt(1 - 0.9) / (1 - 0.5)
    # Hyperparameters are float32, as everywhere in Keras.
    np.testing.assert_allclose(
        variable, [1, -2, 3] - rate * m / (np.sqrt(v) + 1e-3), rtol=1e-7
    )


def test_a_rate_can_be_changed_between_updates():
    variable = keras.Variable([1.0])
    optimizer = Adam(0.5)
    optimizer.build([variable])
    optimizer.learning_rate = 0.0
    optimizer.apply([tf.constant([3.0])], [variable])
    np.testing.assert_array_equal(variable, [1.0])


def test_is_one_operation_a_variable():
    variable = keras.Variable(np.ones((3, 4), "float32"))
    optimizer = Adam()
    optimizer.build([variable])

    @tf.function
    def update(gradient):
        optimizer.apply([gradient], [variable])

    graph = update.get_concrete_function(tf.TensorSpec((3, 4))).graph
    large = [
        o for o in graph.get_operations() if any(x.shape == (3, 4) for x in o.outputs)
    ]
    # Nothing is computed with the gradient; it is only handed on.
    assert {o.type for o in large} <= {"Placeholder", "Identity", "IdentityN"}
    assert "ResourceApplyAdam" in [o.type for o in graph.get_operations()]


def test_is_saved_and_made_again():
    optimizer = Adam(**SETTINGS)
    config = keras.saving.serialize_keras_object(optimizer)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is Adam
    assert again.get_config() == optimizer.get_config()


def test_amsgrad_is_refused():
    with pytest.raises(ValueError, match="Received: amsgrad=True"):
        Adam(amsgrad=True)


@pytest.mark.parametrize("kind", [Adam, keras.optimizers.SGD])
@pytest.mark.parametrize("wrap", [lambda optimizer: optimizer, with_loss_scale])
def test_an_average_that_nothing_would_use_is_refused(kind, wrap):
    with pytest.raises(ValueError, match=r"use_ema=True. Try SAGAN\(ema_decay"):
        refuse_average(wrap(kind(use_ema=True)))
    refuse_average(wrap(kind()))
