import numpy as np
import pytest

from sagan_tf.importers.sigma import (
    ITERATED,
    PLAIN,
    STORED,
    iterated_sigma,
    stored_sigma,
)
from sagan_tf.importers.torch_layers import (
    CONVOLUTION,
    EMBEDDING,
    FROM_BGR,
    LINEAR,
    LINEAR_TO_MAP,
    TO_BGR,
    Layer,
    Layers,
)


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def unit(size, seed=0):
    vector = draw(size, seed=seed)
    return vector / np.linalg.norm(vector)


def layers_of(tensors, **sources):
    return Layers({ours: Layer(tensors, name) for ours, name in sources.items()})


def value(layers, name, tensors):
    return layers(name).value(tensors)


@pytest.fixture
def stored():
    """A convolution of `torch.nn.utils.spectral_norm`."""
    return {
        "a.weight_orig": draw(5, 4, 3, 3),
        "a.weight_u": unit(5, seed=1),
        "a.weight_v": unit(36, seed=2),
        "a.bias": draw(5, seed=3),
    }


@pytest.fixture
def iterated():
    """A convolution of BigGAN-PyTorch."""
    return {
        "a.weight": draw(5, 4, 3, 3),
        "a.u0": draw(1, 5, seed=1),
        "a.bias": draw(5, seed=3),
    }


def test_kernels_have_their_outputs_last():
    weight = draw(5, 4, 3, 2)
    np.testing.assert_array_equal(
        CONVOLUTION.weight(weight)[1, 0, 2, 3], weight[3, 2, 1, 0]
    )
    matrix = draw(5, 4)
    np.testing.assert_array_equal(LINEAR.weight(matrix), matrix.T)
    np.testing.assert_array_equal(EMBEDDING.weight(matrix), matrix)


def test_the_first_layers_outputs_become_a_map_with_channels_last():
    channels, inputs = 3, 2
    weight, z = draw(channels * 16, inputs), draw(inputs, seed=1)
    bias = draw(channels * 16, seed=2)
    theirs = (weight @ z + bias).reshape(channels, 4, 4)
    ours = z @ LINEAR_TO_MAP.weight(weight) + LINEAR_TO_MAP.outputs(bias)
    np.testing.assert_allclose(
        ours.reshape(4, 4, channels), np.moveaxis(theirs, 0, -1), rtol=1e-5
    )


def test_blue_green_red_is_turned_where_the_image_is():
    weight, bias = draw(3, 4, 3, 3), draw(3, seed=1)
    np.testing.assert_array_equal(
        TO_BGR.weight(weight), CONVOLUTION.weight(weight[::-1])
    )
    np.testing.assert_array_equal(TO_BGR.outputs(bias), bias[::-1])
    weight = draw(4, 3, 3, 3)
    np.testing.assert_array_equal(
        FROM_BGR.weight(weight), CONVOLUTION.weight(weight[:, ::-1])
    )
    np.testing.assert_array_equal(FROM_BGR.outputs(bias), bias)


def test_u_gives_our_layer_the_stored_sigma(stored):
    layers = layers_of(stored, ours="a")
    assert layers.normalized
    u = value(layers, "ours/u", stored)
    assert u.shape == (1, 5)
    sigma = stored_sigma(*(stored[f"a.weight_{part}"] for part in ("orig", "u", "v")))
    np.testing.assert_allclose(
        iterated_sigma(stored["a.weight_orig"], u), sigma, rtol=1e-6
    )
    np.testing.assert_array_equal(
        value(layers, "ours/kernel", stored),
        CONVOLUTION.weight(stored["a.weight_orig"]),
    )
    np.testing.assert_array_equal(value(layers, "ours/bias", stored), stored["a.bias"])


def test_u_that_is_iterated_is_taken_over(iterated):
    layers = layers_of(iterated, ours="a")
    np.testing.assert_array_equal(value(layers, "ours/u", iterated), iterated["a.u0"])
    assert layers("ours/u").names == ("a.weight", "a.u0")


def test_the_names_of_tensors_show_the_style(stored, iterated):
    assert Layer(stored, "a").style is STORED
    assert Layer({"a.weight_v": stored["a.weight_v"]}, "a").style is STORED
    assert Layer(iterated, "a").style is ITERATED
    assert Layer({"a.weight": iterated["a.weight"]}, "a").style is PLAIN
    assert Layer({}, "a").style is PLAIN


@pytest.mark.parametrize(
    ("kind", "sigma_of"), [("stored", stored_sigma), ("iterated", iterated_sigma)]
)
def test_folded_weights_are_divided_by_the_sources_sigma(kind, sigma_of, request):
    tensors = request.getfixturevalue(kind)
    layers = layers_of(tensors, ours="a")
    layers.normalized = False
    weight, *rest = (tensors[name] for name in Layer(tensors, "a").names)
    sigma = sigma_of(weight, *rest)
    np.testing.assert_allclose(
        value(layers, "ours/kernel", tensors),
        CONVOLUTION.weight(weight) / sigma,
        rtol=1e-5,
    )


def test_one_layer_without_spectral_norm_folds_the_others(stored):
    tensors = {**stored, "b.weight": draw(2, 5, 3, 3)}
    layers = layers_of(tensors, first="a", second="b")
    assert not layers.normalized
    assert layers.without_u == ["b"]
    np.testing.assert_array_equal(
        value(layers, "second/kernel", tensors), CONVOLUTION.weight(tensors["b.weight"])
    )


def test_a_sigma_that_ours_cannot_have_folds_the_network(stored):
    stored["a.weight_v"] = -stored["a.weight_v"]
    stored["a.weight_u"] = stored["a.weight_u"] * -np.sign(
        stored_sigma(*(stored[f"a.weight_{part}"] for part in ("orig", "u", "v")))
    )
    layers = layers_of(stored, ours="a")
    assert not layers.normalized
    assert np.all(np.isfinite(value(layers, "ours/kernel", stored)))


def test_a_layer_that_has_lost_its_u_is_named(iterated):
    tensors = {**iterated, "b.weight": draw(2, 5, 3, 3)}
    with pytest.raises(ValueError, match="b.weight without b.u0"):
        layers_of(tensors, first="a", second="b")


def test_a_table_may_be_raised_and_divided_by_its_sigma(stored):
    tensors = {
        "t.weight_orig": draw(5, 3),
        "t.weight_u": unit(5, seed=1),
        "t.weight_v": unit(3, seed=2),
    }
    sigma = stored_sigma(*tensors.values())
    np.testing.assert_allclose(
        Layer(tensors, "t", EMBEDDING).effective(plus=1).value(tensors),
        1 + tensors["t.weight_orig"] / sigma,
        rtol=1e-5,
    )
