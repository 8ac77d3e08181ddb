"""Attention in parts is attention, with less memory."""

import math

import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.layers import SelfAttention, chunked_attention
from sagan_tf.layers.chunked_attention import (
    LARGEST_PART,
    LARGEST_WHOLE_MAP,
    attend,
    attend_in_chunks,
    automatic_chunk_size,
    largest_divisor,
)


@pytest.fixture
def inputs():
    random = np.random.default_rng(0)
    shapes = ((3, 24, 5), (3, 10, 5), (3, 10, 7))
    return [tf.constant(random.normal(size=shape)) for shape in shapes]


def result_and_gradients(function, inputs):
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = function(*inputs)
        weights = np.linspace(-1, 2, y.shape.num_elements()).reshape(y.shape)
        loss = tf.reduce_sum(tf.cast(tf.sin(y), tf.float64) * weights)
    return [y, *tape.gradient(loss, inputs)]


@pytest.mark.parametrize("chunk_size", [None, 1, 2, 8, 24])
@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_equals_the_whole_map_forward_and_backward(inputs, chunk_size, mode):
    def parts(*tensors):
        return attend_in_chunks(*tensors, chunk_size)

    def run(*tensors):
        return result_and_gradients(parts, list(tensors))

    if mode != "eager":
        run = tf.function(run, jit_compile=mode == "xla")
    whole = result_and_gradients(lambda *tensors: attend(*tensors)[0], inputs)
    for ours, expected in zip(run(*inputs), whole, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-11, atol=1e-12)
        assert np.max(np.abs(expected)) > 0.1


@pytest.mark.parametrize("mode", ["eager", "graph", "xla"])
def test_a_large_whole_map_is_computed_in_parts_that_are_kept(
    inputs, mode, monkeypatch
):
    monkeypatch.setattr(chunked_attention, "LARGEST_PART", 239)  # Of 24 * 10 values.

    def run(*tensors):
        return result_and_gradients(attend_in_chunks, list(tensors))

    if mode != "eager":
        run = tf.function(run, jit_compile=mode == "xla")
        operations = run.get_concrete_function(*inputs).graph.get_operations()
        shapes = [tuple(y.shape) for each in operations for y in each.outputs]
        # A quarter of the 24 queries.
        assert (3, 6, 10) in shapes and (3, 24, 10) not in shapes
    whole = result_and_gradients(lambda *tensors: attend(*tensors)[0], inputs)
    for ours, expected in zip(run(*inputs), whole, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("sizes", [(22, 10), (None, 10), (24, None), (24, 9), (24, 10)])
def test_other_whole_maps_are_one_part(sizes, monkeypatch):
    monkeypatch.setattr(chunked_attention, "LARGEST_PART", 216)
    monkeypatch.setattr(chunked_attention, "LARGEST_WHOLE_MAP", 239)
    assert chunked_attention._number_of_parts(12, 19) == 4
    assert chunked_attention._number_of_parts(*sizes) == 1


@pytest.mark.parametrize("variant", ["official", "paper_v1", "paper_icml"])
def test_the_layer_is_the_same_in_parts_with_every_gradient(variant):
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 8, 6, 16)), tf.float32)
    whole, parts = SelfAttention(variant, 0), SelfAttention(variant, 12)
    for layer in (whole, parts):
        layer.build(x.shape)
        layer.gamma.assign(0.7)
    parts.set_weights(whole.get_weights())
    assert parts.chunk_size_for(8, 6) == 12
    results = []
    for layer in (whole, parts):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(tf.sin(y))
        variables = [variable.value for variable in layer.trainable_variables]
        results.append([y, *tape.gradient(loss, [x, *variables])])
    for ours, expected in zip(*results, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_half_precision_sums_in_full(inputs):
    """2,048 chunks of one query: sums in bfloat16 would stop growing."""
    ones = tf.ones((1, 2048, 1), tf.bfloat16)
    few = tf.ones((1, 2, 1), tf.bfloat16)
    with tf.GradientTape() as tape:
        tape.watch(few)
        y = tf.cast(attend_in_chunks(ones, few, few, 1), tf.float32)
    # Each of the two values is half of each output.
    np.testing.assert_array_equal(tf.cast(tape.gradient(y, few), tf.float32), 1024)


def peak(graph):
    """The largest intermediate result of a graph and its loops, in values."""
    functions = [graph, *(f.graph for f in graph._functions.values())]
    return max(
        math.prod(output.shape)
        for each in functions
        for operation in each.get_operations()
        for output in operation.outputs
        if output.shape.is_fully_defined()
    )


@pytest.mark.parametrize("variant", ["official", "paper_v1", "paper_icml"])
def test_no_result_of_the_step_is_a_tenth_of_the_map(variant):
    """At 128 x 128 locations, forward and backward, without the memory to run it."""
    sizes = []
    for chunk_size in (None, 0):
        layer = SelfAttention(variant, chunk_size)
        layer.build((None, 128, 128, 8))

        @tf.function
        def step(x, layer=layer):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(layer(x, training=True))
            values = [variable.value for variable in layer.trainable_variables]
            return tape.gradient(loss, values)

        spec = tf.TensorSpec((1, 128, 128, 8))
        sizes.append(peak(step.get_concrete_function(spec).graph))
    in_parts, whole = sizes
    assert whole == 128**2 * (64**2 if variant == "official" else 128**2)
    assert in_parts == LARGEST_PART < whole / 10


def test_small_maps_stay_whole_and_large_ones_are_cut():
    layer = SelfAttention("paper_icml")
    assert layer.chunk_size_for(32, 32) is None
    assert layer.chunk_size_for(64, 64) == 256
    assert SelfAttention("official").chunk_size_for(64, 64) is None
    assert SelfAttention("official").chunk_size_for(128, 128) == 256
    assert SelfAttention("paper_v1", 0).chunk_size_for(128, 128) is None
    assert SelfAttention("paper_v1", 100).chunk_size_for(8, 8) is None
    assert SelfAttention("paper_v1", 100).chunk_size_for(16, 16) == 64
    assert layer.chunk_size_for(None, 64) is None


def test_parts_are_equal_and_not_too_large():
    assert largest_divisor(4096, 256) == 256
    assert largest_divisor(49, 10) == 7
    assert largest_divisor(13, 12) == 1
    assert automatic_chunk_size(2**11, LARGEST_WHOLE_MAP // 2**11) is None
    for queries, keys in ((4096, 4096), (16384, 16384), (10000, 10000)):
        size = automatic_chunk_size(queries, keys)
        assert queries % size == 0
        assert size * keys <= LARGEST_PART < 4 * size * keys


def test_the_map_can_be_seen_whatever_the_chunks():
    x = np.random.default_rng(0).normal(size=(2, 4, 6, 16)).astype("float32")
    layer = SelfAttention("paper_icml", 4)
    layer(x)
    layer.gamma.assign(0.5)
    y, scores = layer(x, return_attention_scores=True)
    assert scores.shape == (2, 24, 24)
    np.testing.assert_allclose(y, layer(x), atol=1e-5)


def test_a_negative_size_is_refused():
    with pytest.raises(ValueError, match="at least 1, 0 .* None.*Received: -1"):
        SelfAttention(chunk_size=-1)
