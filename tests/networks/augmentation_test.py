"""Augmentation, against plain loops over images."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.errors import BadInput
from sagan_tf.networks import augmentation
from sagan_tf.networks.augmentation import KINDS, NUM_UNIFORMS, Augmentation, augment

SIZE, COUNT = 16, 64
# Where the numbers of each kind begin, after one for each kind.
FIRST = {"flip": 4, "colour": 5, "translation": 8, "cutout": 10}


@pytest.fixture(scope="module")
def images():
    random = np.random.default_rng(0)
    return random.uniform(-1, 1, (COUNT, SIZE, SIZE, 3)).astype("float32")


@pytest.fixture(scope="module")
def uniforms():
    numbers = np.random.default_rng(1).uniform(size=(COUNT, NUM_UNIFORMS))
    # The ends of the range too.
    numbers[0, 4:], numbers[1, 4:] = 0, 1 - 2**-24
    return numbers.astype("float32")


def flipped(image, numbers, fill):
    return image[:, ::-1] if numbers[0] < 0.5 else image


def coloured(image, numbers, fill):
    image = image + numbers[0] - 0.5
    gray = image.mean(2, keepdims=True)
    image = gray + (image - gray) * 2 * numbers[1]
    return image.mean() + (image - image.mean()) * (numbers[2] + 0.5)


def translated(image, numbers, fill):
    down, right = (int(number * 5) - 2 for number in numbers[:2])
    result = np.full_like(image, fill)
    for y in range(SIZE):
        for x in range(SIZE):
            if 0 <= y + down < SIZE and 0 <= x + right < SIZE:
                result[y, x] = image[y + down, x + right]
    return result


def cut(image, numbers, fill):
    y, x = (int(number * (SIZE + 1)) - 4 for number in numbers[:2])
    result = image.copy()
    result[max(0, y) : y + 8, max(0, x) : x + 8] = fill
    return result


ORACLES = dict(zip(KINDS, (flipped, coloured, translated, cut), strict=True))


@pytest.mark.parametrize("fill", ["zero", "black"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_what_its_formula_says(images, uniforms, kind, fill):
    found = augment(images, uniforms, [kind], fill=fill).numpy()
    own = uniforms[:, FIRST[kind] :]
    value = augmentation.FILLS[fill]
    for image, numbers, ours in zip(images, own, found, strict=True):
        expected = ORACLES[kind](image, numbers, value)
        np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_kinds_are_applied_one_after_another(images, uniforms):
    expected = images
    for kind in KINDS:
        expected = augment(expected, uniforms, [kind])
    found = augment(images, uniforms, KINDS[::-1])
    np.testing.assert_array_equal(found, expected)


def test_shifts_and_squares_have_the_limits_of_diffaugment():
    """At 32 pixels up to 4 pixels of shift and squares of 16, at most a quarter."""
    ones = np.ones((2000, 32, 32, 1), "float32")
    numbers = np.random.default_rng(2).uniform(size=(2000, NUM_UNIFORMS))
    shifted = augment(ones, numbers, ["translation"]).numpy()[..., 0]
    for axis in (1, 2):
        lost = (shifted == 0).all(axis=axis).sum(1)
        assert set(lost) == set(range(5))
        # 0 is one value of nine, each other length two.
        np.testing.assert_allclose(np.bincount(lost) / 2000, [1 / 9] + 4 * [2 / 9], 0.2)
    holes = (augment(ones, numbers, ["cutout"]).numpy() == 0).sum((1, 2, 3))
    assert holes.max() == 16 * 16
    assert holes.min() >= 8 * 8


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_a_kind_is_applied_with_its_probability(images, probability):
    many = np.repeat(images, 20, 0)
    numbers = np.random.default_rng(3).uniform(size=(len(many), NUM_UNIFORMS))
    found = augment(many, numbers, ["colour"], probability).numpy()
    changed = (found != many).any((1, 2, 3))
    np.testing.assert_array_equal(changed, numbers[:, 1] < probability)
    assert abs(changed.mean() - probability) < 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_each_pixel_that_is_seen(images, uniforms, kind):
    """The derivative along a direction, against a difference in float64."""
    with keras.device("cpu:0"):
        start = tf.constant(images[:8], tf.float64)
        numbers = uniforms[:8]
        weights = tf.constant(np.random.default_rng(4).normal(size=start.shape))
        along = tf.constant(np.random.default_rng(5).normal(size=start.shape))

        def value(x):
            return tf.reduce_sum(weights * augment(x, numbers, [kind]))

        with tf.GradientTape() as tape:
            tape.watch(start)
            result = value(start)
        slope = tf.reduce_sum(tape.gradient(result, start) * along)
        difference = (value(start + 1e-4 * along) - value(start - 1e-4 * along)) / 2e-4
    np.testing.assert_allclose(slope, difference, rtol=1e-6)
    assert abs(slope) > 1e-3


def test_half_precision_and_xla_agree(images, uniforms):
    expected = augment(images, uniforms, KINDS).numpy()
    compiled = tf.function(lambda x: augment(x, uniforms, KINDS), jit_compile=True)
    np.testing.assert_allclose(compiled(images), expected, atol=1e-6)
    half = augment(tf.cast(images, tf.bfloat16), uniforms, KINDS)
    assert half.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(half, tf.float32), expected, atol=0.05)


@pytest.mark.parametrize("kinds", [["rotation"], ["flip", "flip"]])
def test_other_kinds_are_refused(kinds):
    with pytest.raises(BadInput, match="flip, colour, translation, cutout. Received"):
        Augmentation(kinds)


@pytest.mark.parametrize(
    "wrong", [{"fill": "white"}, {"target": 1.0}, {"adaptation_images": 0}], ids=str
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(BadInput, match="Received: "):
        Augmentation(["flip"], **wrong)


def test_a_layer_has_a_copy():
    layer = Augmentation(("flip", "cutout"), "black", 0.5, 1000)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert copy.get_config() == layer.get_config()
    assert copy.kinds == ("flip", "cutout")


def test_the_probability_rises_above_the_target_and_stays_within_0_and_1():
    layer = Augmentation(["flip"], target=0.5, adaptation_images=100)
    seen = []
    for sign in [0.6, 1.0, 0.5, 0.4, 0.0, -1.0, *[0.9] * 12]:
        layer.adapt(sign, 10)
        seen.append(float(layer.probability))
    expected = [0.1, 0.2, 0.2, 0.1, 0, 0]
    expected += [min(1, 0.1 * (i + 1)) for i in range(12)]
    np.testing.assert_allclose(seen, expected, atol=1e-6)


def test_without_a_target_it_is_always_applied(images, uniforms):
    layer = Augmentation(["colour"])
    layer.adapt(1.0, 10)
    assert not layer.variables
    found = layer([images, uniforms])
    np.testing.assert_array_equal(found, augment(images, uniforms, ["colour"]))
