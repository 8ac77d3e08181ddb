"""Which layers of the discriminator are frozen."""

import keras
import numpy as np
import pytest

from sagan_tf import build_discriminator
from sagan_tf.errors import BadInput
from sagan_tf.networks.builders import DISCRIMINATOR_BLOCKS
from sagan_tf.networks.freezing import freeze_blocks
from sagan_tf.settings.checks import num_blocks


def discriminator():
    return build_discriminator(
        32, num_classes=3, channels=2, image_channels=1, attention_resolution=(16,)
    )


def frozen_layers(network):
    return [layer.name for layer in network.layers if not layer.trainable]


@pytest.mark.parametrize(
    ("count", "frozen"),
    [
        (0, []),
        (1, ["images", "block_1"]),
        # The attention lies behind the first block and before the second.
        (2, ["images", "block_1", "attention_16x16", "block_2"]),
        (4, ["images", "block_1", "attention_16x16", *map("block_{}".format, "234")]),
    ],
)
def test_everything_from_the_image_to_the_last_frozen_block_is_frozen(count, frozen):
    network = discriminator()
    in_all = len(network.trainable_variables)
    freeze_blocks(network, count)
    assert frozen_layers(network) == frozen
    assert (len(network.trainable_variables) == in_all) == (count == 0)
    assert network.layers[-1].trainable_variables


def test_u_of_frozen_layers_stays_and_others_move():
    network = discriminator()
    freeze_blocks(network, 2)
    before = {v.path: v.numpy() for v in network.variables if v.name == "u"}
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 1)).astype("float32")
    network([images, np.int32([0, 2])], training=True)
    moved = {
        v.path.split("/")[0]
        for v in network.variables
        if v.path in before and not np.array_equal(v.numpy(), before[v.path])
    }
    assert moved == {"block_3", "block_4", "projection_head"}


@pytest.mark.parametrize("count", [-1, 5, 1.0, "2", True, None])
def test_another_number_is_refused(count):
    with pytest.raises(BadInput, match="from 0 to 4.*Received: .*Try 0"):
        freeze_blocks(discriminator(), count)


def test_a_network_without_our_blocks_has_none_to_freeze():
    images = keras.Input((4, 4, 1))
    logit = keras.layers.Dense(1)(keras.layers.Flatten()(images))
    network = keras.Model(images, logit)
    freeze_blocks(network, 0)
    assert not frozen_layers(network)
    with pytest.raises(BadInput, match="from 0 to 0"):
        freeze_blocks(network, 1)


def test_the_settings_know_the_number_of_blocks():
    """They import no networks, so the number stands in two places."""
    for resolution, blocks in DISCRIMINATOR_BLOCKS.items():
        assert num_blocks(resolution) == len(blocks)
