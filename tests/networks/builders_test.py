"""The networks: parameter counts, shapes, saving, precision, options."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.layers import (
    ConditionalBatchNorm,
    ResidualBottleneck,
    SelfAttention,
    SpectralConditionalBatchNorm,
    SpectralNormalization,
)
from sagan_tf.networks.builders import RESOLUTIONS, build_discriminator, build_generator

# Trainable parameters at 128 pixels, 64 channels, 1000 classes, z of 128.
PARAMETERS = {
    (): (41_996_931, 39_443_137),
    (8,): (43_307_652, 39_770_818),
    (16,): (42_324_612, 39_525_058),
    (32,): (42_078_852, 39_463_618),
    (64,): (42_017_412, 39_448_258),
}


def count(network):
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


def small(build, resolution=32, **options):
    """A network of two channels; generators have z of 5."""
    options = {
        "channels": 2,
        "num_classes": 3,
        "attention_resolution": (16,),
        **options,
    }
    if build is build_generator:
        options.setdefault("z_dim", 5)
    return build(resolution, **options)


def inputs_of(network, batch=3):
    random = np.random.default_rng(0)
    first = random.normal(size=(batch, *network.inputs[0].shape[1:]))
    first = tf.constant(first, network.inputs[0].dtype)
    if len(network.inputs) == 1:
        return first
    return [first, tf.constant(random.integers(0, 3, batch), tf.int32)]


both = pytest.mark.parametrize("build", [build_generator, build_discriminator])


@pytest.mark.slow
@pytest.mark.parametrize("attention_resolution", PARAMETERS)
def test_parameter_counts_are_the_official_ones(attention_resolution):
    networks = [
        build(attention_resolution=attention_resolution)
        for build in (build_generator, build_discriminator)
    ]
    assert tuple(map(count, networks)) == PARAMETERS[attention_resolution]


@pytest.mark.slow
@pytest.mark.parametrize("resolution", RESOLUTIONS)
@pytest.mark.parametrize("image_channels", [1, 3])
def test_shapes(resolution, image_channels):
    options = {"image_channels": image_channels, "channels": 1}
    generator = small(build_generator, resolution, **options)
    discriminator = small(build_discriminator, resolution, **options)
    inputs = inputs_of(generator)
    images = generator(inputs)
    assert images.shape == (3, resolution, resolution, image_channels)
    assert np.abs(images).max() <= 1
    assert discriminator([images, inputs[1]]).shape == (3, 1)


@both
def test_unconditional_network_takes_one_input(build):
    network = small(build, num_classes=None)
    assert len(network.inputs) == 1
    assert network(inputs_of(network)).shape[0] == 3
    assert not [w.path for w in network.weights if "embedding" in w.path]


@both
def test_several_attention_layers(build):
    network = small(build, 64, attention_resolution=(8, 32))
    names = [x.name for x in network.layers if isinstance(x, SelfAttention)]
    assert sorted(names) == ["attention_32x32", "attention_8x8"]
    for name in names:
        size = int(name.split("x")[-1])
        assert network.get_layer(name).output.shape[1:3] == (size, size)


@both
def test_attention_sees_each_resolution_once(build):
    # At 32 pixels three of the discriminator's blocks put out 8x8 maps.
    network = small(build, attention_resolution=(8,))
    assert [x.name for x in network.layers if isinstance(x, SelfAttention)] == [
        "attention_8x8"
    ]


@pytest.mark.slow
@both
@pytest.mark.parametrize("feature_map", [8, 16, 32, 64])
def test_residual_block_stands_where_attention_would(build, feature_map):
    options = {"resolution": 128, "attention_resolution": (feature_map,)}
    options["channels"] = 1
    attention, residual = (
        small(build, **options, attention_variant=variant)
        for variant in ("official", "residual")
    )
    ours = [layer for layer in residual.layers if isinstance(layer, ResidualBottleneck)]
    assert [layer.name for layer in ours] == [f"residual_{feature_map}x{feature_map}"]
    assert [x.name.replace("attention", "residual") for x in attention.layers] == [
        x.name for x in residual.layers
    ]
    assert ours[0].output.shape[1:3] == (feature_map, feature_map)


@both
def test_residual_blocks_have_the_parameters_of_attention_to_within_one_percent(build):
    network = build(attention_resolution=(8, 16, 32, 64), attention_variant="residual")
    index = [build_generator, build_discriminator].index(build)
    without = total = PARAMETERS[()][index]
    for size in (8, 16, 32, 64):
        attention = PARAMETERS[(size,)][index] - without
        block = count(network.get_layer(f"residual_{size}x{size}"))
        assert block == pytest.approx(attention, rel=0.01)
        channels = network.get_layer(f"residual_{size}x{size}").output.shape[-1]
        assert attention == 1.25 * channels**2 + 1
        total += block
    assert count(network) == total


@both
@pytest.mark.parametrize("variant", ["official", "residual"])
def test_network_begins_as_without_attention_or_its_stand_in(build, variant):
    plain = small(build, attention_resolution=())
    network = small(build, attention_variant=variant)
    (stand_in,) = (x for x in network.layers if x.name.endswith("16x16") and gamma(x))
    for layer in plain.layers:
        network.get_layer(layer.name).set_weights(layer.get_weights())
    inputs = inputs_of(plain)
    np.testing.assert_array_equal(network(inputs), plain(inputs))
    stand_in.gamma.assign(2.0)
    assert np.abs(network(inputs) - plain(inputs)).max() > 1e-4


def gamma(layer):
    return hasattr(layer, "gamma")


@both
def test_clamped_weights_below_one_are_left_alone_outside_attention(build):
    # With kernels this small every sigma is far below 1.
    options = {"initializer": "normal_0.02"}
    plain = small(build, **options, spectral_norm=False)
    clamped = small(build, **options, clamp_sigma=True)
    for layer in clamped._flatten_layers():
        if isinstance(layer, SpectralNormalization):
            assert layer.exact_sigma() < 0.9
    pairs = zip(plain.trainable_weights, clamped.trainable_weights, strict=True)
    for weight, other in pairs:
        weight.assign(other)
    inputs = inputs_of(plain)
    np.testing.assert_allclose(clamped(inputs), plain(inputs), rtol=1e-5, atol=1e-7)
    for network in (clamped, plain):
        network.get_layer("attention_16x16").gamma.assign(100.0)
    assert np.abs(clamped(inputs) - plain(inputs)).max() > 1e-6
    inside = clamped.get_layer("attention_16x16")
    assert not any(part.clamp_sigma for part in inside._layers if is_normalized(part))


def test_normalized_tables_are_those_of_the_blocks_alone():
    plain = small(build_generator)
    network = small(build_generator, normalize_tables=True)

    def kinds(network):
        layers = network._flatten_layers()
        return [type(x) for x in layers if isinstance(x, ConditionalBatchNorm)]

    assert kinds(plain) == 7 * [ConditionalBatchNorm]
    assert kinds(network).count(SpectralConditionalBatchNorm) == 6
    assert type(network.get_layer("batch_norm")) is ConditionalBatchNorm
    assert count(network) == count(plain)
    assert network(inputs_of(network)).shape == (3, 32, 32, 3)


def test_auxiliary_classifier_takes_no_labels_and_puts_out_class_logits():
    network = small(build_discriminator, num_classes=5, head="auxiliary_classifier")
    assert len(network.inputs) == 1
    out = network(inputs_of(network))
    assert (out.shape, out.dtype) == ((3, 6), tf.float32)
    projection = small(build_discriminator, num_classes=5)
    width = network.layers[-1].input.shape[-1]
    # The classifier's kernel is as large as the embedding; it has biases.
    assert count(network) == count(projection) + 5
    assert count(network.layers[-1]) == (width + 1) * 6


def is_normalized(layer):
    return isinstance(layer, SpectralNormalization)


HEADS_AND_TABLES = {
    build_generator: [
        {},
        {"attention_variant": "residual"},
        {"normalize_tables": True},
    ],
    build_discriminator: [
        {},
        {"attention_variant": "residual"},
        {"head": "auxiliary_classifier"},
    ],
}


@pytest.mark.parametrize(
    ("build", "options"),
    [(build, options) for build, each in HEADS_AND_TABLES.items() for options in each],
)
def test_spectral_norm_on_every_weight_or_on_none(build, options):
    def kinds(network):
        layers = [x for x in network._flatten_layers() if not list(x._layers)]
        wrapped = [x for x in network._flatten_layers() if is_normalized(x)]
        return layers, wrapped

    layers, wrapped = kinds(small(build, **options))
    weighted = [x for x in layers if hasattr(x, "kernel") or hasattr(x, "embeddings")]
    assert {id(x.layer) for x in wrapped} == {id(x) for x in weighted}
    assert not kinds(small(build, spectral_norm=False, **options))[1]


@both
def test_same_seed_same_weights_and_no_two_alike(build):
    def fresh(seed):
        keras.utils.set_random_seed(seed)
        return small(build).get_weights()

    one, again, other = fresh(0), fresh(0), fresh(1)
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    kernels = [w for w in one if w.ndim == 4]
    assert any(not np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    flat = [w.ravel()[:8].tobytes() for w in kernels]
    assert len(set(flat)) == len(flat)


@both
@pytest.mark.parametrize("name", ["orthogonal", "normal_0.02"])
def test_initializer_reaches_every_kernel(build, name):
    network = small(build, channels=4, initializer=name)
    kernels = [w.numpy() for w in network.trainable_weights if w.name == "kernel"]
    for kernel in kernels:
        matrix = kernel.reshape(-1, kernel.shape[-1])
        if name == "normal_0.02" and matrix.size > 500:
            assert matrix.std() == pytest.approx(0.02, rel=0.2)
        if name == "orthogonal":
            values = np.linalg.svd(matrix, compute_uv=False)
            np.testing.assert_allclose(values, 1, rtol=1e-4)


@pytest.mark.parametrize(
    ("build", "options"),
    [(build, options) for build, each in HEADS_AND_TABLES.items() for options in each],
)
def test_saved_network_computes_the_same(build, options, tmp_path):
    network = small(build, **options, clamp_sigma=bool(options))
    network.save(tmp_path / "network.keras")
    loaded = keras.models.load_model(tmp_path / "network.keras")
    inputs = inputs_of(network)
    np.testing.assert_array_equal(network(inputs), loaded(inputs))


@both
def test_summary_lists_blocks(build):
    lines = []
    small(build).summary(print_fn=lambda line, **_: lines.append(line))
    assert any("attention_16x16" in line for line in "\n".join(lines).splitlines())


@both
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_close_and_ends_in_float32(build, policy):
    keras.utils.set_random_seed(0)
    full = small(build)
    keras.config.set_dtype_policy(policy)
    try:
        mixed = small(build)
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(full.get_weights())
    inputs = inputs_of(full)
    expected = full(inputs, training=True).numpy()
    ours = mixed(inputs, training=True)
    assert ours.dtype == tf.float32
    scale = np.abs(expected).max()
    assert 0 < np.abs(ours - expected).max() / scale < 0.1
    assert all(w.dtype == "float32" for w in mixed.weights)


@pytest.mark.slow
@both
def test_xla_computes_the_same(build):
    network = small(build)
    network.get_layer("attention_16x16").gamma.assign(0.5)
    inputs = inputs_of(network)
    compiled = tf.function(
        lambda inputs: network(inputs, training=False), jit_compile=True
    )
    np.testing.assert_allclose(compiled(inputs), network(inputs), atol=1e-4)


@pytest.mark.parametrize(
    ("build", "options", "message"),
    [
        (build_generator, {"resolution": 100}, "resolution must be one of"),
        (build_discriminator, {"resolution": 100}, "resolution must be one of"),
        (build_generator, {"attention_resolution": (24,)}, r"among \[8, 16, 32\]"),
        (build_discriminator, {"attention_resolution": (32,)}, r"among \[8, 16\]"),
        (build_generator, {"channels": 0}, "at least 1"),
        (build_discriminator, {"resolution": "32"}, "one of .* Received: '32'"),
        (build_discriminator, {"resolution": 32.0}, "one of .* Received: 32.0"),
        (build_generator, {"image_channels": 0}, "image_channels must be .* 0"),
        (build_discriminator, {"image_channels": 0}, "image_channels must be .* 0"),
        (build_generator, {"num_classes": True}, "num_classes .* Received: True"),
        (build_generator, {"z_dim": 0}, "z_dim must be .* at least 1.* 0"),
        (build_generator, {"num_classes": -1}, "num_classes .* at least 0.* -1"),
        (build_discriminator, {"num_classes": 2.5}, "num_classes .* 2.5"),
        (build_discriminator, {"head": "ac-gan"}, "projection or auxiliary_classifier"),
        (
            build_discriminator,
            {"head": "auxiliary_classifier", "num_classes": 0},
            "needs classes. Received: num_classes=0",
        ),
        (
            build_generator,
            {"normalize_tables": True, "num_classes": None},
            "needs classes. Received: num_classes=None",
        ),
        (build_generator, {"attention_variant": "none"}, "Received: .*none"),
        (build_generator, {"image_channels": 2}, r"must be 1 \(gray\) or 3 \(RGB\)"),
        (build_discriminator, {"image_channels": 4}, "image_channels must be 1"),
    ],
)
def test_impossible_networks_are_named(build, options, message):
    with pytest.raises(ValueError, match=message):
        small(build, **{"resolution": 32, **options})


@pytest.mark.parametrize("build", [build_generator, build_discriminator])
def test_one_attention_resolution_is_an_int_or_a_list(build):
    names = [
        [layer.name for layer in small(build, attention_resolution=given).layers]
        for given in (16, [16], (16,), np.int64(16))
    ]
    assert names[0] == names[1] == names[2] == names[3]
    assert "attention_16x16" in names[0]
    for wrong in (None, "16", 15):
        with pytest.raises(ValueError, match="must be among"):
            small(build, attention_resolution=wrong)
