import numpy as np
import pytest

from sagan_tf.importers.torch_networks import (
    Names,
    discriminator,
    generator,
    translation,
)
from sagan_tf.networks.builders import (
    DISCRIMINATOR_BLOCKS,
    GENERATOR_WIDTHS,
    RESOLUTIONS,
    build_discriminator,
    build_generator,
)
from sagan_tf.networks.variable_names import variables_by_name

NAMES = Names(
    prefixes={},
    blocks=r"block\d+",
    convolutions=(".a", ".b", ".c"),
    attention=(".q", ".k", ".v", ".o", ".gamma"),
    linear="linear",
    last_linear="linear",
    embedding="embedding",
    image_convolution="last",
    image_norm="norm",
    norms=(".n", ".m"),
    class_tables=(".gain", ".shift"),
)
CHANNELS, Z_DIM, CLASSES = 2, 5, 3


def convolution(outputs, inputs, size=3):
    return np.zeros((outputs, inputs, size, size), np.float32)


def add_attention(tensors, name, width):
    for part in ("q", "k", "v", "o"):
        tensors[f"{name}.{part}.weight"] = convolution(width, width, 1)
    tensors[f"{name}.gamma"] = np.float32(0.5)


def generator_tensors(resolution, attention=()):
    """Tensors that tell the sizes; attention after the blocks of these indices."""
    first, *widths = (CHANNELS * width for width in GENERATOR_WIDTHS[resolution])
    tensors = {"linear.weight": np.zeros((16 * first, Z_DIM), np.float32)}
    count, inputs = 0, first
    for index, width in enumerate(widths):
        tensors[f"block{count}.a.weight"] = convolution(width, inputs)
        count, inputs = count + 1, width
        if index in attention:
            add_attention(tensors, f"block{count}", width)
            count += 1
    tensors["last.weight"] = convolution(3, inputs)
    return tensors


def discriminator_tensors(resolution, attention=()):
    tensors = {"embedding.weight": np.zeros((CLASSES, 4), np.float32)}
    count, inputs = 0, 3
    for index, (multiple, _) in enumerate(DISCRIMINATOR_BLOCKS[resolution]):
        width = CHANNELS * multiple
        tensors[f"block{count}.a.weight"] = convolution(width, inputs)
        count, inputs = count + 1, width
        if index in attention:
            add_attention(tensors, f"block{count}", width)
            count += 1
    return tensors


def sources(layers, network):
    """Names of the tensors behind each of our variables: all have some."""
    return {name: layers(name).names for name in variables_by_name(network)}


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_widths_tell_the_generator_of_every_resolution(resolution):
    fields, layers = generator(generator_tensors(resolution, (1, 2)), "", NAMES)
    assert fields == {
        "resolution": resolution,
        "image_channels": 3,
        "num_classes": 0,
        "z_dim": Z_DIM,
        "generator_channels": CHANNELS,
        "attention_resolution": (16, 32),
    }
    network = build_generator(
        resolution,
        Z_DIM,
        0,
        CHANNELS,
        attention_resolution=(16, 32),
        batch_norm_debias=False,
    )
    found = sources(layers, network)
    assert found["block_16x16/convolution_1/bias"] == ("block1.a.bias",)
    assert found["attention_16x16/query/kernel"] == ("block2.q.weight",)
    assert found["block_32x32/shortcut/kernel"] == ("block3.c.weight",)
    assert found["block_32x32/batch_norm_2/moving_mean"] == ("block3.m.running_mean",)
    assert found["batch_norm/beta"] == ("norm.bias",)


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_widths_tell_the_discriminator_of_every_resolution(resolution):
    fields, layers = discriminator(discriminator_tensors(resolution, (0,)), "", NAMES)
    half = resolution // 2
    assert fields == {
        "resolution": resolution,
        "num_classes": CLASSES,
        "discriminator_channels": CHANNELS,
        "discriminator_attention_resolution": (half,),
    }
    network = build_discriminator(
        resolution, CLASSES, CHANNELS, attention_resolution=(half,)
    )
    found = sources(layers, network)
    assert found["block_1/shortcut/bias"] == ("block0.c.bias",)
    assert found[f"attention_{half}x{half}/gamma"] == ("block1.gamma",)
    assert found["block_2/convolution_2/kernel"] == ("block2.b.weight",)
    assert found["projection_head/embedding/embeddings"] == ("embedding.weight",)


def test_a_discriminator_without_an_embedding_has_no_classes():
    tensors = discriminator_tensors(32)
    del tensors["embedding.weight"]
    assert discriminator(tensors, "", NAMES)[0]["num_classes"] == 0


def test_blocks_are_in_the_order_of_their_numbers():
    # block10 would come before block2.
    fields, layers = generator(generator_tensors(256, (0, 1, 2, 3, 4)), "", NAMES)
    assert fields["attention_resolution"] == (8, 16, 32, 64, 128)
    assert layers("block_256x256/convolution_1/kernel").names == ("block10.a.weight",)


def test_attention_before_all_blocks_is_refused():
    tensors = generator_tensors(32)
    moved = {name.replace("block0", "block9"): t for name, t in tensors.items()}
    add_attention(moved, "block0", 8)
    with pytest.raises(ValueError, match="Attention must come after a block.*block0"):
        generator(moved, "", NAMES)


def test_attention_after_a_block_that_does_not_halve_is_refused():
    with pytest.raises(ValueError, match="must come after a block that halves"):
        discriminator(discriminator_tensors(32, (2,)), "", NAMES)


def test_networks_that_do_not_belong_together_are_refused():
    found = {
        "generator": generator(generator_tensors(32), "", NAMES),
        "discriminator": discriminator(discriminator_tensors(64), "", NAMES),
    }
    with pytest.raises(ValueError, match="agree about resolution.*64 in the discrim"):
        translation({}, found, 1e-5, 0.999)


def test_pytorchs_momentum_of_a_tenth_is_ours_of_nine_tenths():
    found = {"generator": generator(generator_tensors(32), "", NAMES)}
    fields = translation({}, found, 1e-3, 0.999).fields
    assert fields["batch_norm_momentum"] == fields["final_batch_norm_momentum"] == 0.9
    assert fields["batch_norm_epsilon"] == 1e-3


def with_u(tensors):
    """The same, every weight with the vectors of `torch.nn.utils.spectral_norm`."""
    made = {}
    for name, array in tensors.items():
        if array.ndim < 2:
            made[name] = array
            continue
        weight = np.random.default_rng(0).normal(size=array.shape).astype(np.float32)
        left, _, right = np.linalg.svd(weight.reshape(len(weight), -1))
        made[f"{name}_orig"] = weight
        made[f"{name}_u"], made[f"{name}_v"] = left[:, 0], right[0]
    return made


def test_spectral_norm_is_the_runs_as_far_as_all_its_networks_have_it():
    plain = {
        "generator": generator_tensors(32),
        "discriminator": discriminator_tensors(32),
    }
    find = {"generator": generator, "discriminator": discriminator}
    normalized = {network: with_u(tensors) for network, tensors in plain.items()}

    def spectral_norm(**tensors):
        found = {name: find[name](each, "", NAMES) for name, each in tensors.items()}
        for fields, _ in found.values():
            fields["num_classes"] = CLASSES
        made = translation({}, found, 1e-5, 0.999)
        kept = [name for name, layers in made.networks.items() if layers.normalized]
        return made.fields["spectral_norm"], kept, len(made.notes)

    networks = ["generator", "discriminator"]
    assert spectral_norm(**normalized) == ("both", networks, 0)
    assert spectral_norm(**{**normalized, "generator": plain["generator"]}) == (
        "discriminator",
        ["discriminator"],
        0,
    )
    assert spectral_norm(**plain) == ("none", [], 0)
    assert spectral_norm(generator=plain["generator"]) == ("discriminator", [], 0)
