"""Names of the variables of our networks."""

import keras
import pytest

from sagan_tf.networks.builders import build_discriminator, build_generator
from sagan_tf.networks.variable_names import variables_by_name


@pytest.mark.parametrize("build", [build_generator, build_discriminator])
def test_names_are_the_same_with_and_without_spectral_norm(build):
    options = {"resolution": 32, "num_classes": 2, "channels": 2}
    options["attention_resolution"] = (16,)
    normalized = variables_by_name(build(**options))
    plain = variables_by_name(build(spectral_norm=False, **options))
    assert {name for name in normalized if not name.endswith("/u")} == set(plain)
    assert len(normalized) == len(build(**options).variables)
    for name in plain:
        assert normalized[name].shape == plain[name].shape


def test_names_say_what_a_variable_is():
    named = variables_by_name(
        build_generator(32, 3, 2, channels=2, attention_resolution=(16,))
    )
    some = {
        "linear/kernel": (3, 128),
        "block_8x8/batch_norm_1/gamma": (2, 8),
        "block_8x8/convolution_1/u": (1, 8),
        "attention_16x16/gamma": (),
        "attention_16x16/output/kernel": (1, 1, 4, 8),
        "image_convolution/bias": (3,),
    }
    assert {name: tuple(named[name].shape) for name in some} == some


def test_a_clone_has_the_same_names():
    """Its paths differ."""
    network = build_generator(32, 3, 2, channels=2, attention_resolution=(16,))
    clone = keras.models.clone_model(network)
    ours, theirs = variables_by_name(network), variables_by_name(clone)
    assert [*ours] == [*theirs]
    assert [v.path for v in ours.values()] != [v.path for v in theirs.values()]
