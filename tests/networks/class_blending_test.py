"""Generators whose classes are mixtures of another's."""

import keras
import numpy as np
import pytest

from sagan_tf import build_generator
from sagan_tf.networks.class_blending import blend_classes
from sagan_tf.networks.folding import fold_generator

CLASSES = 4


def make_generator(**settings):
    """A tiny generator whose classes and statistics are all different."""
    settings = {"num_classes": CLASSES, "attention_resolution": (16,), **settings}
    generator = build_generator(resolution=32, z_dim=6, channels=2, **settings)
    random = np.random.default_rng(1)
    for variable in generator.variables:
        if any(name in variable.path for name in ("gamma", "beta", "moving_mean")):
            variable.assign(variable + random.normal(0, 0.5, variable.shape))
    return generator


def images(generator, label, seed=0):
    z = np.random.default_rng(seed).normal(size=(1, 6)).astype(np.float32)
    return generator([z, np.int32([label])], training=False).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "float64"])
@pytest.mark.parametrize("fold", [False, True])
def test_a_mixture_of_one_class_makes_its_images_bit_for_bit(policy, fold):
    keras.config.set_dtype_policy(policy)
    generator = make_generator()
    generator = fold_generator(generator) if fold else generator
    order = [2, 0, 0, 3, 1, 2]
    blended = blend_classes(generator, np.eye(CLASSES)[order])
    pure = [images(generator, label) for label in range(CLASSES)]
    assert len({picture.tobytes() for picture in pure}) == CLASSES
    for mixture, label in enumerate(order):
        np.testing.assert_array_equal(images(blended, mixture), pure[label])


@pytest.mark.slow
@pytest.mark.parametrize("fold", [False, True])
def test_gains_and_biases_are_mixed_linearly(fold):
    """As many mixtures as classes: a table's shape does not tell that it changes."""
    generator = make_generator()
    shares = np.random.default_rng(2).dirichlet(np.ones(CLASSES), CLASSES)
    mixed = make_generator()
    mixed.set_weights(generator.get_weights())
    for variable in mixed.variables:
        is_table = len(variable.shape) == 2 and variable.shape[0] == CLASSES
        if is_table and variable.path.endswith(("gamma", "beta")):
            variable.assign(shares @ variable.numpy().astype(np.float64))
    if fold:
        generator, mixed = fold_generator(generator), fold_generator(mixed)
    blended = blend_classes(generator, shares)
    for label in range(CLASSES):
        expected = images(mixed, label)
        np.testing.assert_allclose(images(blended, label), expected, atol=1e-5)
        assert np.abs(expected - images(generator, label)).max() > 1e-2


def test_images_on_the_way_are_between_the_classes():
    generator = make_generator()
    t = np.linspace(0, 1, 9)[:, None]
    blended = blend_classes(generator, (1 - t) * np.eye(CLASSES)[0] + t * [0, 0, 0, 1])
    walk = [images(blended, frame) for frame in range(9)]
    steps = [np.abs(a - b).max() for a, b in zip(walk[:-1], walk[1:])]
    assert min(steps) > 0
    assert max(steps) < 0.7 * np.abs(walk[0] - walk[-1]).max()


def test_the_generator_is_not_changed():
    generator = make_generator()
    before = [weight.copy() for weight in generator.get_weights()]
    blended = blend_classes(generator, np.eye(CLASSES)[[1]])
    for variable in blended.variables:
        variable.assign(variable + 1)
    for old, new in zip(before, generator.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("num_classes", "shape"), [(0, (2, 4)), (4, (2, 3)), (4, (4,)), (4, (2, 5))]
)
def test_shares_of_other_classes_are_refused(num_classes, shape):
    generator = make_generator(num_classes=num_classes)
    with pytest.raises(ValueError, match=rf"Received: .*, {num_classes} classes"):
        blend_classes(generator, np.ones(shape))


@pytest.mark.slow
def test_normalized_tables_are_mixed_as_they_are_used():
    """Sums of tables would have sigmas of their own."""
    generator = make_generator(normalize_tables=True)
    plain = make_generator()
    for ours, other in zip(generator.layers, plain.layers, strict=True):
        for name in ("batch_norm_1", "batch_norm_2"):
            norm = getattr(ours, name, None)
            if norm is not None:
                gamma, beta = norm.tables()
                getattr(other, name).gamma.assign(gamma)
                getattr(other, name).beta.assign(beta)
    values = {variable.path: variable for variable in generator.variables}
    for variable in plain.variables:
        if variable.path in values:
            variable.assign(values[variable.path])
    shares = np.random.default_rng(2).dirichlet(np.ones(CLASSES), CLASSES + 1)
    blended, expected = (blend_classes(each, shares) for each in (generator, plain))
    for mixture in range(CLASSES + 1):
        made = images(blended, mixture)
        np.testing.assert_allclose(made, images(expected, mixture), atol=1e-5)
    for label in range(CLASSES):
        np.testing.assert_allclose(
            images(blend_classes(generator, np.eye(CLASSES)), label),
            images(generator, label),
            atol=1e-5,
        )
