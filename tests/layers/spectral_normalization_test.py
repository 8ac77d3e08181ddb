"""Properties of spectral normalisation."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from sagan_tf.layers import SpectralNormalization
from sagan_tf.layers.power_iteration import divide_by_sigma
from tests.layers.matrices import cosine, matrix_with_singular_values, numeric_gradient


def normalized_dense(kernel, wrapper=SpectralNormalization, **options):
    layer = wrapper(layers.Dense(kernel.shape[1], use_bias=False), **options)
    layer.build((None, kernel.shape[0]))
    layer.layer.kernel.assign(kernel)
    if wrapper is SpectralNormalization:
        # Not a random one, which might be near a singular vector and tell little.
        layer.u.assign(np.resize([0.25, 1, -0.5, 0.75], layer.u.shape))
    return layer


def test_sigma_converges_to_svd():
    layer = normalized_dense(matrix_with_singular_values([5, 3, 1], 7, 4))
    assert abs(float(layer.sigma()) - 5) > 0.01
    for _ in range(30):
        layer(np.ones((1, 7), "float32"), training=True)
    assert float(layer.sigma()) == pytest.approx(5, abs=1e-5)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.Dense(6), (None, 4)),
        (layers.Conv1D(6, 3), (None, 9, 4)),
        (layers.Conv2D(6, (3, 2)), (None, 9, 8, 4)),
        (layers.Conv2DTranspose(6, (3, 2)), (None, 9, 8, 4)),
        (layers.Embedding(6, 4), (None,)),
    ],
)
def test_sigma_is_that_of_the_documented_matrix(layer, shape):
    layer = SpectralNormalization(layer, power_iterations=200)
    layer.build(shape)
    # Not the initializer's, whose two largest singular values may be close.
    random = np.random.default_rng(0)
    layer.weight.assign(random.normal(size=layer.weight.shape))
    weight = keras.ops.convert_to_numpy(layer.weight)
    if isinstance(layer.layer, layers.Conv2DTranspose):
        weight = weight.swapaxes(-1, -2)
    matrix = weight.T if weight.shape == (6, 4) else weight.reshape(-1, 6)
    assert layer.u.shape == (1, 6)
    assert float(layer.sigma()) == pytest.approx(
        np.linalg.svd(matrix, compute_uv=False)[0], rel=1e-5
    )


def loss_and_gradient(layer, x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x) * tf.range(1.0, 5.0))
    return loss, tape.gradient(loss, layer.layer.kernel.value).numpy()


def numeric_gradient_of(layer, x):
    def loss(kernel):
        layer.layer.kernel.assign(kernel)
        return loss_and_gradient(layer, x)[0]

    kernel = layer.layer.kernel.numpy()
    gradient = numeric_gradient(loss, kernel)
    layer.layer.kernel.assign(kernel)
    return gradient


def test_keras_own_wrapper_has_no_gradient_through_sigma():
    kernel = matrix_with_singular_values([5, 4.9, 4.8], 7, 4)
    x = np.random.default_rng(0).normal(size=(2, 7)).astype("float32")
    layer = normalized_dense(kernel)
    exact = numeric_gradient_of(layer, x)
    theirs = normalized_dense(kernel, wrapper=layers.SpectralNormalization)
    theirs.layer.kernel.assign(kernel)
    assert cosine(loss_and_gradient(theirs, x)[1], exact) < 0.97
    assert cosine(loss_and_gradient(layer, x)[1], exact) > 0.9999


@pytest.mark.parametrize("power_iterations", [1, 3])
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (layers.Dense, (None, 4)),
        (lambda n, **k: layers.Conv2D(n, (3, 2), **k), (None, 9, 8, 4)),
        (lambda n, **k: layers.Conv2DTranspose(n, (3, 2), **k), (None, 9, 8, 4)),
        (lambda n, **k: layers.Embedding(n, 4, **k), (None,)),
    ],
)
def test_the_gradient_that_is_written_out_is_the_one_that_tensorflow_derives(
    make, shape, power_iterations
):
    layer = SpectralNormalization(make(6, dtype="float64"), power_iterations)
    layer.build(shape)
    weight = layer.weight.value
    weights = np.random.default_rng(0).normal(size=weight.shape)

    def derived(weight, u):
        matrix = layer._as_matrix(weight)
        for _ in range(power_iterations):
            a = u @ tf.transpose(matrix)
            b = a / (tf.norm(a) + 1e-12) @ matrix
            u = b / (tf.norm(b) + 1e-12)
        return weight / tf.reduce_sum(b * u)

    u = tf.constant(layer.u.numpy())
    with tf.GradientTape(persistent=True) as tape:
        # The update of u must not reach the gradient, which is computed after it.
        ours = layer.normalized_weight(update_u=True)
        theirs = derived(tf.convert_to_tensor(weight), u)
        losses = [tf.reduce_sum(value * weights) for value in (ours, theirs)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    ours, theirs = (
        tf.convert_to_tensor(tape.gradient(loss, weight)) for loss in losses
    )
    scale = np.max(np.abs(theirs))
    np.testing.assert_allclose(ours, theirs, atol=1e-12 * scale)
    assert np.any(layer.u.numpy() != u)


def test_zero_kernel_gives_zero_and_recovers():
    layer = normalized_dense(np.zeros((7, 4), "float32"))
    u = layer.u.numpy()
    x = np.ones((2, 7), "float32")
    np.testing.assert_array_equal(layer(x, training=True), 0)
    np.testing.assert_array_equal(layer.u, u)
    assert np.all(np.isfinite(loss_and_gradient(layer, x)[1]))
    layer.layer.kernel.assign(matrix_with_singular_values([5, 3, 1], 7, 4))
    for _ in range(30):
        layer(x, training=True)
    assert float(layer.sigma()) == pytest.approx(5, abs=1e-5)


def test_stored_weight_stays_as_it_is():
    kernel = matrix_with_singular_values([5, 3, 1], 7, 4)
    layer = normalized_dense(kernel)
    layer(np.ones((2, 7), "float32"), training=True)
    np.testing.assert_array_equal(layer.layer.kernel, kernel)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpectralNormalization(layers.Dense(2), 0), "at least 1"),
        (lambda: SpectralNormalization("dense"), "keras.layers.Layer"),
        (
            lambda: SpectralNormalization(layers.ReLU()).build((None, 2)),
            "needs a layer with a `kernel`",
        ),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "options",
    [{"stop_gradient": True}, {"clamp_sigma": True}, {"epsilon": 0.5}],
    ids=str,
)
def test_the_settings_reach_the_power_iteration(options):
    kernel = matrix_with_singular_values([0.5, 0.3, 0.1], 7, 4)
    layer = normalized_dense(kernel, **options)
    weights = np.random.default_rng(0).normal(size=kernel.shape).astype("float32")
    names = {"clamp_sigma": "clamp"}
    arguments = {names.get(name, name): value for name, value in options.items()}
    results = []
    for settings in (arguments, {}):
        weight = tf.constant(kernel)
        with tf.GradientTape() as tape:
            tape.watch(weight)
            matrix, _ = divide_by_sigma(
                weight, layer.u.numpy(), tf.identity, tf.identity, **settings
            )
            loss = tf.reduce_sum(matrix * weights)
        results.append((matrix, tape.gradient(loss, weight)))
    with tf.GradientTape() as tape:
        ours = layer.normalized_weight()
        loss = tf.reduce_sum(ours * weights)
    gradient = tape.gradient(loss, layer.layer.kernel.value)
    (expected, expected_gradient), (_, default) = results
    np.testing.assert_array_equal(ours, expected)
    np.testing.assert_array_equal(gradient, expected_gradient)
    assert np.any(gradient != default)


@pytest.mark.parametrize("shape", [(7, 4), (4, 7)])
def test_exact_sigma_is_the_largest_singular_value(shape):
    layer = normalized_dense(matrix_with_singular_values([5, 3, 1], *shape))
    assert layer.exact_sigma() == pytest.approx(5, rel=1e-6)


class Doubled(layers.Dense):
    """Its kernel is computed from the variable."""

    @property
    def kernel(self):
        return self._kernel * 2


@pytest.mark.parametrize(
    ("layer", "change"),
    [
        (lambda: layers.Dense(4), lambda layer: layer.enable_lora(2)),
        (lambda: layers.Conv1D(4, 2), lambda layer: layer.enable_lora(2)),
        (
            lambda: layers.EinsumDense("abc,cd->abd", (3, 4)),
            lambda layer: layer.enable_lora(2),
        ),
        (lambda: layers.Embedding(4, 3), lambda layer: layer.enable_lora(2)),
        (lambda: layers.Dense(4), lambda layer: layer.quantize("int8")),
        (lambda: layers.Dense(4), lambda layer: layer.quantize("float8")),
        (lambda: layers.Dense(4, lora_rank=2), None),
        (lambda: Doubled(4), None),
    ],
)
def test_a_weight_that_the_layer_computes_is_refused(layer, change):
    wrapped = SpectralNormalization(layer())
    is_embedding = isinstance(wrapped.layer, layers.Embedding)
    x = np.zeros((2, 3), "int32") if is_embedding else np.ones((2, 3, 3), "float32")
    with pytest.raises(ValueError, match="float variable. Received: .*LoRA"):
        if change:
            wrapped(x)
            change(wrapped.layer)
        wrapped(x)


def test_an_einsum_layer_is_as_far_beyond_1_as_documented():
    wrapped = SpectralNormalization(layers.EinsumDense("ab,bcd->acd", (3, 5)))
    wrapped.build((None, 1))
    wrapped.layer.kernel.assign(np.eye(3, 5)[None])
    norm = np.linalg.norm(wrapped(np.ones((1, 1), "float32")))
    assert norm == pytest.approx(np.sqrt(3), rel=1e-4)


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in_a_model"])
def test_the_loss_of_an_activity_regularizer_is_that_of_the_layer(inside):
    dense = layers.Dense(4, activity_regularizer=keras.regularizers.L2(0.5))
    layer = SpectralNormalization(dense)
    model = keras.Sequential([layer]) if inside else layer
    x = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")
    with tf.GradientTape() as tape:
        outputs = model(x)
        (loss,) = model.losses
    np.testing.assert_allclose(loss, 0.5 * np.sum(outputs**2) / 2, rtol=1e-5)
    assert np.any(tape.gradient(loss, dense.kernel.value))
    values = [[v.value for v in w] for w in _states(model)]
    _, _, losses = model.stateless_call(*values, x, return_losses=True)
    assert len(losses) == 1


def _states(model):
    return model.trainable_variables, model.non_trainable_variables
