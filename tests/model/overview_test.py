"""Tables of networks, and the estimate of memory."""

import keras

from sagan_tf import build_discriminator, build_generator
from sagan_tf.model import overview


def dense():
    """3 -> 5 -> 2 values: two layers whose counts are easily checked."""
    inputs = keras.Input((3,))
    hidden = keras.layers.Dense(5, use_bias=False, name="first")(inputs)
    outputs = keras.layers.Dense(2, use_bias=False, name="second")(hidden)
    return keras.Model(inputs, outputs, name="network")


def test_a_table_has_a_line_a_layer_and_the_sum():
    text = overview.network_table(dense())
    assert [line.split() for line in text.splitlines()][2:] == [
        ["first", "5", "15"],
        ["second", "2", "10"],
        ["in", "all", "25"],
    ]


def test_the_official_networks_have_the_official_number_of_parameters():
    assert "42,078,852" in overview.network_table(build_generator())
    assert "39,463,618" in overview.network_table(build_discriminator())


def test_every_result_that_depends_on_the_batch_counts_as_activation():
    input_and_results = 3 + 5 + 2
    assert overview.activation_bytes(dense()) == 4 * input_and_results


def test_attention_maps_have_a_row_a_query_and_a_column_a_key():
    options = {"resolution": 32, "channels": 8, "attention_resolution": (16,)}
    for variant, keys in (("official", 8 * 8), ("paper_icml", 16 * 16)):
        network = build_discriminator(**options, attention_variant=variant)
        assert overview.attention_maps(network) == [
            ("attention_16x16", 256, keys, None)
        ]


def test_memory_is_the_sum_of_its_documented_parts():
    memory = overview.memory_estimate(dense(), dense(), batch_size=7, has_ema=True)
    assert memory == {
        "weights": 4 * 3 * 25,
        "optimizers": 4 * 2 * 50,
        "gradients": 4 * 25,
        "activations": 7 * 2 * 40,
    }
    assert "in all" in overview.memory_table(memory)
