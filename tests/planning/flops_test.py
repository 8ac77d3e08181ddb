"""FLOPs by formula, against TensorFlow's counter and against counting by hand."""

import math

import keras
import pytest
import tensorflow as tf

from sagan_tf import SAGAN, build_discriminator, build_generator
from sagan_tf.layers import (
    AuxiliaryClassifierHead,
    DiscriminatorBlock,
    DiscriminatorOptimizedBlock,
    GeneratorBlock,
    ProjectionHead,
    ResidualBottleneck,
    SelfAttention,
    SpectralConditionalBatchNorm,
    SpectralNormalization,
)
from sagan_tf.planning import flops
from sagan_tf.planning.counted_flops import counted_flops, product_flops, traced_step

HEIGHT, WIDTH, CHANNELS, FILTERS, CLASSES = 8, 6, 16, 12, 5


def network(layer, *shape):
    inputs = keras.Input(shape or (HEIGHT, WIDTH, CHANNELS))
    return keras.Model(inputs, layer(inputs))


def convolution(height, width, c_in, c_out, size=3):
    return 2 * height * width * size * size * c_in * c_out


def small_generator(**options):
    """Dense, attention, convolution: no block, whose code may save what it can."""
    z = keras.Input((5,))
    dense = keras.layers.Dense(HEIGHT * WIDTH * CHANNELS)
    x = SpectralNormalization(dense, **options)(z)
    x = keras.layers.Reshape((HEIGHT, WIDTH, CHANNELS))(x)
    x = SelfAttention("official", **options)(x)
    last = SpectralNormalization(keras.layers.Conv2D(3, 3, padding="same"), **options)
    return keras.Model(z, last(x))


def small_discriminator(**options):
    images = keras.Input((HEIGHT, WIDTH, 3))
    first = keras.layers.Conv2D(CHANNELS, 3, padding="same")
    x = SpectralNormalization(first, **options)(images)
    x = SelfAttention("paper_v1", **options)(x)
    x = SpectralNormalization(
        keras.layers.Conv2D(FILTERS, 3, padding="same"), **options
    )(x)
    x = keras.ops.sum(x, axis=(1, 2))
    return keras.Model(images, ProjectionHead(**options)(x))


def conditional_generator(**options):
    """The small generator with normalized tables of classes."""
    z, labels = keras.Input((5,)), keras.Input((), dtype="int32")
    dense = keras.layers.Dense(HEIGHT * WIDTH * 3)
    x = SpectralNormalization(dense, **options)(z)
    x = keras.layers.Reshape((HEIGHT, WIDTH, 3))(x)
    x = SpectralConditionalBatchNorm(CLASSES, **options)(x, labels)
    x = ResidualBottleneck(**options)(x)
    return keras.Model([z, labels], x)


def classifying_discriminator(**options):
    images = keras.Input((HEIGHT, WIDTH, 3))
    first = keras.layers.Conv2D(CHANNELS, 3, padding="same")
    x = SpectralNormalization(first, **options)(images)
    x = ResidualBottleneck(**options)(x)
    x = keras.ops.sum(x, axis=(1, 2))
    return keras.Model(images, AuxiliaryClassifierHead(CLASSES, **options)(x))


def row_sums(generator, discriminator, batch_size, discriminator_steps=1):
    """FLOPs of a training step that the official order of operations has not.

    The sums over rows in the gradient of an attention map are one more column of a
    product, `_centered`: in each pass that has a gradient.
    """
    of_generator, of_discriminator = (
        sum(
            2 * math.prod(layer.map_size(*layer.input.shape[1:3]))
            for layer in network.layers
            if isinstance(layer, SelfAttention)
        )
        for network in (generator, discriminator)
    )
    passes = 1 + 2 * discriminator_steps
    return batch_size * (of_generator + passes * of_discriminator)


@pytest.mark.slow
@pytest.mark.parametrize("discriminator_steps", [1, 3])
@pytest.mark.parametrize(
    "options", [{}, {"power_iterations": 2}, {"stop_gradient": True}], ids=str
)
def test_a_training_step_has_the_products_that_tensorflow_counts(
    discriminator_steps, options
):
    generator, discriminator = (
        small_generator(**options),
        small_discriminator(**options),
    )
    model = SAGAN(
        generator,
        discriminator,
        num_classes=0,
        discriminator_steps=discriminator_steps,
    )
    model.compile()
    counted, opaque = counted_flops(traced_step(model, batch_size=7))
    formula = flops.training_step_flops(
        generator, discriminator, 7, discriminator_steps
    )
    sums = row_sums(generator, discriminator, 7, discriminator_steps)
    expected = sum(formula.values()) + sums
    assert product_flops(counted) == pytest.approx(expected, rel=1e-3)
    assert not opaque


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{}, {"power_iterations": 2}, {"stop_gradient": True}], ids=str
)
def test_a_step_of_ac_gan_has_the_products_that_tensorflow_counts(options):
    networks = conditional_generator(**options), classifying_discriminator(**options)
    model = SAGAN(*networks)
    model.compile()
    counted, opaque = counted_flops(traced_step(model, batch_size=7))
    formula = flops.training_step_flops(*networks, 7)
    assert not opaque
    assert sum(formula.values()) == product_flops(counted)


def test_an_auxiliary_classifier_counts_a_product_for_each_class_and_the_logit():
    head = network(AuxiliaryClassifierHead(CLASSES), CHANNELS)
    assert flops.forward_flops(head) == 2 * CHANNELS * (1 + CLASSES)


def test_a_residual_block_multiplies_each_weight_once_a_location():
    model = network(ResidualBottleneck())
    kernels = sum(int(tf.size(weight)) for weight in model.trainable_weights) - 1
    assert flops.forward_flops(model) == 2 * HEIGHT * WIDTH * kernels
    products = flops.products(model)
    assert [product.kernel[:2] for product in products] == [(1, 1), (3, 3), (1, 1)]
    # Only the first one is applied to the network's input.
    assert [product.on_input for product in products] == [True, False, False]


def test_normalized_tables_cost_power_iterations_and_no_products():
    def block(**options):
        inputs = keras.Input((HEIGHT, WIDTH, CHANNELS))
        labels = keras.Input((), dtype="int32")
        layer = GeneratorBlock(FILTERS, CLASSES, **options)
        return keras.Model([inputs, labels], layer(inputs, labels))

    plain, normalized = block(), block(normalize_tables=True)
    assert flops.forward_flops(plain) == flops.forward_flops(normalized)
    # A gain and a bias for each class and channel, of the input and of the result.
    numbers = 2 * CLASSES * (CHANNELS + FILTERS)
    more = zip(*map(flops.power_iteration_flops, (plain, normalized)))
    assert [after - before for before, after in more] == [4 * numbers, 6 * numbers]


def test_gradients_of_attention_are_taken_for_both_factors():
    (scores, values) = [
        product
        for product in flops.products(network(SelfAttention()))
        if not product.kernel
    ]
    queries, keys = HEIGHT * WIDTH, HEIGHT * WIDTH // 4
    assert scores.flops == 2 * queries * keys * CHANNELS // 8
    assert values.flops == 2 * queries * keys * CHANNELS // 2
    assert scores.gradients(weights=False) == 2


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (
            GeneratorBlock(FILTERS),
            convolution(2 * HEIGHT, 2 * WIDTH, CHANNELS, FILTERS)
            + convolution(2 * HEIGHT, 2 * WIDTH, FILTERS, FILTERS)
            + convolution(2 * HEIGHT, 2 * WIDTH, CHANNELS, FILTERS, 1),
        ),
        (
            DiscriminatorBlock(FILTERS),
            convolution(HEIGHT, WIDTH, CHANNELS, FILTERS)
            + convolution(HEIGHT, WIDTH, FILTERS, FILTERS)
            + convolution(HEIGHT, WIDTH, CHANNELS, FILTERS, 1),
        ),
        (
            DiscriminatorBlock(CHANNELS, downsample=False),
            2 * convolution(HEIGHT, WIDTH, CHANNELS, CHANNELS),
        ),
        (
            DiscriminatorOptimizedBlock(FILTERS),
            convolution(HEIGHT, WIDTH, CHANNELS, FILTERS)
            + convolution(HEIGHT, WIDTH, FILTERS, FILTERS)
            + convolution(HEIGHT // 2, WIDTH // 2, CHANNELS, FILTERS, 1),
        ),
    ],
    ids=["generator", "discriminator", "last", "optimized"],
)
def test_a_block_counts_as_the_official_code_computes_it(layer, expected):
    assert flops.forward_flops(network(layer)) == expected


@pytest.mark.parametrize(
    "layer",
    [
        GeneratorBlock(FILTERS),
        DiscriminatorBlock(FILTERS),
        SelfAttention(),
        ResidualBottleneck(),
    ],
    ids=["generator", "discriminator", "attention", "residual"],
)
def test_our_layers_compute_no_more_than_the_formula(layer):
    model = network(layer, 32, 32, CHANNELS)
    function = tf.function(lambda x: model(x, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec((3, 32, 32, CHANNELS)))
    counted = product_flops(counted_flops(concrete)[0])
    formula = 3 * flops.forward_flops(model) + flops.power_iteration_flops(model)[0]
    assert 0.1 * formula < counted < 1.02 * formula


def test_the_official_networks_take_18_and_9_gflop():
    generator, discriminator = build_generator(), build_discriminator()
    assert flops.forward_flops(generator) == 18_431_868_928
    assert flops.forward_flops(discriminator) == 9_470_218_240


def test_an_unknown_layer_is_refused():
    with pytest.raises(ValueError, match="Received: .* a Conv2DTranspose"):
        flops.products(network(keras.layers.Conv2DTranspose(3, 3)))
