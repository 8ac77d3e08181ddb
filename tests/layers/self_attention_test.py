"""Properties of self-attention."""

import keras
import numpy as np
import pytest

from sagan_tf.layers import SelfAttention


def attention(variant, x, gamma=0.5, **options):
    layer = SelfAttention(variant, **options)
    layer(x)
    layer.gamma.assign(gamma)
    return layer


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(2, 4, 6, 16)).astype("float32")


def weights(layer, x):
    names = ("query", "key", "value", "output_convolution")
    layers = [getattr(layer, name) for name in names]
    return [None if part is None else part.kernel.numpy()[0, 0] for part in layers]


def pooled(x):
    batch, height, width, channels = x.shape
    blocks = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
    return blocks.max((2, 4))


@pytest.mark.parametrize("variant", ["official", "paper_v1", "paper_icml"])
def test_equals_the_formula(variant, x):
    layer = attention(variant, x, spectral_normalization=False)
    g, f, h, v = weights(layer, x)
    query, key, value = x @ g, x @ f, x @ h
    if variant == "official":
        key, value = pooled(key), pooled(value)
    flat = [part.reshape(2, -1, part.shape[-1]) for part in (query, key, value)]
    logits = flat[0] @ flat[1].transpose(0, 2, 1)
    beta = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    o = (beta @ flat[2]).reshape(2, 4, 6, -1)
    expected = x + 0.5 * (o if v is None else o @ v)
    ours, scores = layer(x, return_attention_scores=True)
    np.testing.assert_allclose(scores, beta, atol=1e-5)
    np.testing.assert_allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("variant", "widths", "keys"),
    [
        ("official", (2, 2, 8, 16), 6),
        ("paper_v1", (2, 2, 16, None), 24),
        ("paper_icml", (2, 2, 2, 16), 24),
    ],
)
def test_widths_and_number_of_keys(variant, widths, keys, x):
    layer = attention(variant, x, spectral_normalization=False)
    found = [None if w is None else w.shape[1] for w in weights(layer, x)]
    assert tuple(found) == widths
    _, scores = layer(x, return_attention_scores=True)
    assert scores.shape == (2, 24, keys)
    np.testing.assert_allclose(np.sum(scores, -1), 1, rtol=1e-5)


def test_starts_as_the_identity(x):
    np.testing.assert_array_equal(SelfAttention()(x), x)


@pytest.mark.parametrize("channels", [16, 64])
def test_official_block_has_the_official_number_of_parameters(channels):
    layer = SelfAttention()
    layer.build((None, 4, 4, channels))
    count = sum(np.prod(w.shape) for w in layer.trainable_weights)
    assert count == 1.25 * channels**2 + 1


def test_fewer_than_eight_channels_still_have_a_query():
    x = np.ones((2, 4, 6, 5), "float32")
    assert attention("official", x)(x).shape == x.shape


def test_softmax_survives_large_logits_in_half_precision(x):
    layer = attention("official", 20 * x, dtype="mixed_float16")
    _, scores = layer(20 * x, return_attention_scores=True)
    assert scores.dtype == "float32"
    np.testing.assert_allclose(np.sum(scores, -1), 1, rtol=1e-5)


def test_unknown_variant_is_named():
    with pytest.raises(ValueError, match="official, paper_v1, paper_icml.*'paper'"):
        SelfAttention("paper")


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize(("variant", "keys"), [("official", 6), ("paper_icml", 24)])
def test_a_functional_model_has_the_scores_as_its_second_output(
    policy, variant, keys, x
):
    keras.config.set_dtype_policy(policy)
    inputs = keras.Input((4, 6, 16))
    layer = SelfAttention(variant)
    model = keras.Model(inputs, layer(inputs, return_attention_scores=True))
    compute_dtype = keras.config.dtype_policy().compute_dtype
    assert [(out.shape, out.dtype) for out in model.outputs] == [
        ((None, 4, 6, 16), compute_dtype),
        ((None, 24, keys), "float32"),
    ]
    layer.gamma.assign(0.5)
    output, scores = model(x)
    expected = layer(x, return_attention_scores=True)
    np.testing.assert_array_equal(output, expected[0])
    np.testing.assert_array_equal(scores, expected[1])
    assert (output.dtype, scores.dtype) == (compute_dtype, "float32")


@pytest.mark.parametrize("variant", ["official", "paper_icml"])
def test_a_functional_model_of_any_size_has_scores(variant, x):
    inputs = keras.Input((None, None, 16))
    layer = SelfAttention(variant)
    output, scores = layer(inputs, return_attention_scores=True)
    assert (output.shape, scores.shape) == ((None, None, None, 16), (None, None, None))
    expected = layer(x, return_attention_scores=True)
    for ours, theirs in zip(keras.Model(inputs, [output, scores])(x), expected):
        np.testing.assert_array_equal(ours, theirs)


def test_a_functional_model_has_one_output_without_scores():
    inputs = keras.Input((4, 6, 16))
    assert SelfAttention()(inputs).shape == (None, 4, 6, 16)


@pytest.mark.parametrize(("height", "width"), [(1, 4), (4, 1), (1, 1)])
def test_a_map_that_cannot_be_pooled_is_refused(height, width):
    x = np.ones((2, height, width, 8), "float32")
    with pytest.raises(ValueError, match="at least 2. .*Try variant='paper_icml'"):
        SelfAttention("official")(x)
    assert SelfAttention("paper_icml")(x).shape == x.shape


def test_what_is_no_map_is_refused():
    with pytest.raises(ValueError, match=r"\(B, H, W, C\). Received: \(2, 4, 8\)"):
        SelfAttention()(np.ones((2, 4, 8), "float32"))
