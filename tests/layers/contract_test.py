"""What every public layer must do, run over all of them."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

# Private, but the contract that Keras' own layers are held to. Used here alone.
from keras.src import testing

import sagan_tf.layers
from tests.layers.cases import CASES

MIXED = ["mixed_bfloat16", "mixed_float16"]

every_layer = pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])


def run_keras_contract(case):
    """Keras' `run_layer_test` on a case."""
    x, *labels = case.inputs()
    testing.TestCase().run_layer_test(
        case.layer,
        init_kwargs={**case.arguments, "name": "layer"},
        input_data=x,
        call_kwargs={"labels": labels[0]} if labels else None,
        expected_output_shape=case.output_shape,
        expected_num_trainable_weights=case.trainable,
        expected_num_non_trainable_weights=case.non_trainable,
        expected_num_seed_generators=0,
        expected_num_losses=0,
        # The cases that need labels are trained by test_gradient_reaches_every_weight.
        run_training_check=not labels,
        # A wrapper takes its dtype from the wrapped layer: see test_mixed_precision.
        run_mixed_precision_check="layer" not in case.arguments,
    )


def built(case, dtype=None):
    """A built layer whose weights are all far from special values."""
    layer = case.build(dtype)
    layer(*case.inputs())
    random = np.random.default_rng(1)
    for weight in layer.trainable_weights:
        weight.assign(random.uniform(0.2, 0.9, weight.shape) * random.choice([-1, 1]))
    return layer


def run(layer, inputs, training=False):
    return layer(*inputs, training=training)


def test_every_public_layer_has_a_case():
    public = {getattr(sagan_tf.layers, name) for name in sagan_tf.layers.__all__}
    assert {c for c in public if inspect.isclass(c)} == {case.layer for case in CASES}


@pytest.mark.slow
@every_layer
def test_keras_contract(case):
    run_keras_contract(case)


@every_layer
def test_config_holds_every_argument(case):
    layer = case.build()
    config = layer.get_config()
    own = [c for c in type(layer).__mro__ if c.__module__.startswith("sagan_tf")]
    for cls in own:
        for name, parameter in inspect.signature(cls.__init__).parameters.items():
            if parameter.kind is not parameter.VAR_KEYWORD and name != "self":
                assert name in config, name
    again = type(layer).from_config(layer.get_config()).get_config()
    assert again == config


@every_layer
def test_saved_model_computes_the_same(case, tmp_path):
    layer = built(case)
    inputs = case.inputs()
    symbols = [keras.Input(x.shape[1:], dtype=x.dtype.name) for x in inputs]
    model = keras.Model(symbols, layer(*symbols))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model(inputs), loaded(inputs))


@every_layer
def test_gradient_reaches_every_weight(case):
    layer = built(case)
    with tf.GradientTape() as tape:
        out = run(layer, case.inputs(), training=True)
        loss = tf.reduce_sum(tf.square(out) * tf.range(1.0, out.shape[-1] + 1))
    for weight, gradient in zip(
        layer.trainable_weights,
        tape.gradient(loss, layer.trainable_weights),
        strict=True,
    ):
        assert gradient is not None, weight.path
        gradient = tf.convert_to_tensor(gradient).numpy()
        assert np.all(np.isfinite(gradient)), weight.path
        assert np.any(gradient != 0), weight.path


@pytest.mark.slow
@every_layer
def test_xla_computes_the_same(case):
    layer, compiled = built(case), built(case)
    compiled.set_weights(layer.get_weights())
    function = tf.function(compiled, jit_compile=True)
    for training in (True, False):
        ours = run(function, case.inputs(), training)
        np.testing.assert_allclose(
            ours, run(layer, case.inputs(), training), rtol=2e-5, atol=2e-5
        )
    for one, other in zip(layer.weights, compiled.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6, err_msg=one.path)


@pytest.mark.slow
@every_layer
@pytest.mark.parametrize("policy", MIXED)
def test_mixed_precision(case, policy):
    layer, full = built(case, policy), built(case)
    full.set_weights(layer.get_weights())
    ours = run(layer, case.inputs(), training=True)
    assert ours.dtype.name == layer.compute_dtype == policy.removeprefix("mixed_")
    assert all(weight.dtype == "float32" for weight in layer.weights)
    exact = run(full, case.inputs(), training=True).numpy()
    difference = np.abs(tf.cast(ours, "float32") - exact).max() / np.abs(exact).max()
    assert difference < 0.1
    for one, other in zip(layer.weights, full.weights, strict=True):
        if one.name == "u":
            # From float32 weights in float32: not even rounding differs.
            np.testing.assert_array_equal(one, other)


@every_layer
def test_inference_changes_nothing(case):
    layer = built(case)
    before = [weight.numpy() for weight in layer.weights]
    run(layer, case.inputs())
    for weight, old in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)


@every_layer
def test_training_moves_every_non_trainable_weight(case):
    layer = built(case)
    before = [weight.numpy() for weight in layer.non_trainable_weights]
    run(layer, case.inputs(), training=True)
    for weight, old in zip(layer.non_trainable_weights, before, strict=True):
        assert np.any(weight.numpy() != old), weight.path


@every_layer
def test_frozen_layer_moves_nothing(case):
    layer = built(case)
    layer.trainable = False
    before = [weight.numpy() for weight in layer.weights]
    run(layer, case.inputs(), training=True)
    for weight, old in zip(layer.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)


@every_layer
def test_state_is_equal_on_two_replicas(case, two_replicas):
    with two_replicas.scope():
        layer = built(case)
    values = two_replicas.experimental_distribute_values_from_function
    inputs = [
        values(lambda context, i=i: case.inputs(context.replica_id_in_sync_group)[i])
        for i in range(len(case.inputs()))
    ]
    two_replicas.run(lambda *inputs: run(layer, inputs, training=True), args=inputs)
    for weight in layer.weights:
        one, other = two_replicas.experimental_local_results(weight.value)
        np.testing.assert_array_equal(one, other, err_msg=weight.path)
