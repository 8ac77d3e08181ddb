"""The attention maps beside the output of a network."""

import functools

import keras
import numpy as np
import pytest

from sagan_tf import build_discriminator, build_generator
from sagan_tf.networks.attention_scores import (
    attention_layers,
    attention_maps_of,
    map_shape,
    with_attention_scores,
)
from sagan_tf.networks.folding import fold_generator

SMALL = {
    **{"resolution": 32, "num_classes": 3, "channels": 4, "image_channels": 1},
    # So that queries can be scaled.
    "spectral_norm": False,
}


def new_generator(**changes):
    network = build_generator(**{**SMALL, "z_dim": 5, **changes})
    return with_gammas(network)


# Built once: no test changes those that others use.
generator = functools.cache(new_generator)


@functools.cache
def discriminator(**changes):
    return with_gammas(build_discriminator(**{**SMALL, **changes}))


def with_gammas(network):
    """Attention that is neither uniform nor without effect."""
    for index, layer in enumerate(attention_layers(network)):
        layer.gamma.assign(0.5 + index)
        layer.query.kernel.assign(100 * layer.query.kernel)
    return network


def latents(count=3, seed=0):
    random = np.random.default_rng(seed)
    return [
        random.normal(size=(count, 5)).astype("float32"),
        np.arange(count, dtype="int32") % 3,
    ]


def images(count=3, seed=0):
    values = np.random.default_rng(seed).uniform(-1, 1, (count, 32, 32, 1))
    return [values.astype("float32"), np.arange(count, dtype="int32") % 3]


def as_the_layer_says(network, name, inputs):
    """Beta from the layer itself, called on what the network gives it."""
    layer = network.get_layer(name)
    before = keras.Model(network.inputs, layer.input)
    _, scores = layer(before(inputs), return_attention_scores=True)
    return scores.numpy()


@pytest.mark.parametrize(
    ("make", "inputs", "sizes", "name", "shape"),
    [
        (generator, latents(), (16,), "attention_16x16", (16, 16, 8, 8)),
        (generator, latents(), (8, 32), "attention_32x32", (32, 32, 16, 16)),
        (discriminator, images(), (16,), "attention_16x16", (16, 16, 8, 8)),
        (discriminator, images(), (8,), "attention_8x8", (8, 8, 4, 4)),
    ],
)
def test_maps_are_those_of_the_layer(make, inputs, sizes, name, shape):
    network = make(attention_resolution=sizes)
    outputs = with_attention_scores(network)(inputs)
    maps = outputs[name].numpy()
    assert maps.shape == (3, *shape) and maps.dtype == np.float32
    assert map_shape(network.get_layer(name)) == shape
    expected = as_the_layer_says(network, name, inputs)
    np.testing.assert_allclose(maps.reshape(expected.shape), expected, atol=1e-6)
    np.testing.assert_allclose(maps.sum((3, 4)), 1, rtol=1e-5)
    assert maps.max() > 5 * maps.mean()


@pytest.mark.parametrize(
    ("make", "inputs"), [(generator, latents()), (discriminator, images())]
)
def test_the_output_is_that_of_the_network(make, inputs):
    network = make(attention_resolution=(16,))
    outputs = with_attention_scores(network)(inputs)
    expected = network(inputs, training=False)
    np.testing.assert_allclose(outputs["output"], expected, atol=1e-6)


def test_the_network_is_not_changed():
    network = generator(attention_resolution=(16,))
    weights, names = network.get_weights(), [layer.name for layer in network.layers]
    with_attention_scores(network)(latents())
    assert [layer.name for layer in network.layers] == names
    for before, after in zip(weights, network.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("variant", ["paper_v1", "paper_icml"])
def test_without_pooling_there_is_a_key_for_each_query(variant):
    network = generator(attention_resolution=(16,), attention_variant=variant)
    _, (found,) = next(attention_maps_of(network, latents(1)))
    assert found.scores.shape == (16, 16, 16, 16)


def test_a_layer_in_parts_gives_its_whole_map():
    whole = generator(attention_resolution=(16,))
    parts = generator(attention_resolution=(16,), attention_chunk_size=64)
    parts.set_weights(whole.get_weights())
    assert parts.get_layer("attention_16x16").chunk_size_for(16, 16) == 64
    maps = [next(attention_maps_of(n, latents(1)))[1][0] for n in (whole, parts)]
    np.testing.assert_allclose(maps[0].scores, maps[1].scores, atol=1e-6)


def test_a_picture_does_not_depend_on_those_beside_it():
    network, inputs = generator(attention_resolution=(16,)), latents()
    _, (third,) = list(attention_maps_of(network, inputs))[2]
    _, (alone,) = next(attention_maps_of(network, [each[2:] for each in inputs]))
    np.testing.assert_array_equal(third.scores, alone.scores)


def test_each_map_knows_its_network_layer_and_gamma():
    network = generator(attention_resolution=(8, 32))
    image, maps = next(attention_maps_of(network, latents(1)))
    assert image.shape == (32, 32, 1) and image.dtype == np.float32
    assert [(m.network, m.layer, m.gamma) for m in maps] == [
        ("generator", "attention_8x8", 0.5),
        ("generator", "attention_32x32", 1.5),
    ]
    logit, _ = next(
        attention_maps_of(discriminator(attention_resolution=(8,)), images(1))
    )
    assert logit.shape == (1,)


def test_gamma_of_0_is_no_effect():
    network = new_generator(attention_resolution=(8, 16, 32))
    for layer, gamma in zip(attention_layers(network), (0, -1e-6, 1e-6)):
        layer.gamma.assign(gamma)
    _, maps = next(attention_maps_of(network, latents(1)))
    assert [each.has_effect for each in maps] == [False, True, True]


def test_an_unconditional_network_takes_one_array():
    network = generator(attention_resolution=(16,), num_classes=0)
    assert len(list(attention_maps_of(network, latents(2)[0]))) == 2
    assert len(list(attention_maps_of(network, latents(2)[:1]))) == 2


def test_the_folded_generator_has_the_same_maps():
    network = generator(attention_resolution=(16,))
    maps = [
        next(attention_maps_of(each, latents(1)))[1][0]
        for each in (network, fold_generator(network))
    ]
    np.testing.assert_allclose(maps[0].scores, maps[1].scores, atol=1e-5)


def test_maps_are_float32_under_half_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    _, (found,) = next(
        attention_maps_of(new_generator(attention_resolution=(16,)), latents(1))
    )
    assert found.scores.dtype == np.float32
    np.testing.assert_allclose(found.scores.sum((2, 3)), 1, rtol=1e-5)


def test_only_one_picture_is_computed_at_a_time():
    network, seen = generator(attention_resolution=(16,)), []

    class Watched(np.ndarray):
        def __getitem__(self, index):
            seen.append(index)
            return super().__getitem__(index).view(np.ndarray)

    z, labels = latents()
    pictures = attention_maps_of(network, [z.view(Watched), labels])
    assert seen == []
    next(pictures)
    assert seen == [slice(0, 1)]


def test_a_network_without_attention_is_named_at_once():
    with pytest.raises(ValueError, match="generator has no attention layer"):
        attention_maps_of(generator(attention_resolution=()), latents())


@pytest.mark.parametrize("inputs", [latents()[0], [latents()[0], latents(2)[1]]])
def test_other_inputs_are_named_at_once(inputs):
    with pytest.raises(
        ValueError, match="generator takes z, labels, of the same length"
    ):
        attention_maps_of(generator(attention_resolution=(16,)), inputs)
