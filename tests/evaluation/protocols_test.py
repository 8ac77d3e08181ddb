import dataclasses

import pytest

from sagan_tf import images
from sagan_tf.evaluation.protocols import PROTOCOLS, Protocol, find_protocol
from sagan_tf.settings import config


def test_the_flag_offers_every_protocol():
    assert config.PROTOCOLS == tuple(PROTOCOLS)


@pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)
def test_protocol_is_valid_and_says_what_it_is(protocol):
    assert protocol.split in ("train", "validation")
    assert protocol.resize in images.RESIZE_METHODS
    text = " ".join(protocol.describe())
    real = "all" if protocol.num_real is None else f"{protocol.num_real:,}"
    for part in (protocol.name, f"{protocol.num_fake:,}", f"{real} real", "moving"):
        assert part in text


def test_the_published_protocols_are_as_published():
    official, tfgan, biggan = (
        find_protocol(name)
        for name in ("official-train-50k", "tfgan-validation-50k", "biggan-train-full")
    )
    assert (official.num_real, official.num_fake) == (50_000, 50_000)
    assert (official.split, official.ema, official.truncation) == ("train", False, None)
    assert (tfgan.split, tfgan.num_fake) == ("validation", 49 * 1024)
    assert (biggan.num_real, biggan.split, biggan.ema) == (None, "train", True)


def test_a_changed_protocol_is_called_so():
    quick = find_protocol("quick-5k")
    changed = quick.changed({"num_fake": 100, "truncation": 0.5, "seed": None})
    assert changed.name == "quick-5k+num_fake=100+truncation=0.5"
    assert (changed.num_fake, changed.truncation, changed.seed) == (100, 0.5, 0)
    assert quick.changed({"num_fake": quick.num_fake, "ema": None}) == quick


def test_every_field_that_is_changed_shows():
    protocol = Protocol("mine", "a test")
    for field in dataclasses.fields(Protocol)[2:]:
        value = {"split": "validation", "resize": "area", "truncation": 0.5}.get(
            field.name
        )
        if value is None:
            value = not getattr(protocol, field.name) if field.type is bool else 7
        assert protocol.changed({field.name: value}) != protocol
        assert field.name in protocol.changed({field.name: value}).name


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"num_fake": 1}, "num_fake"), ({"truncation": -0.5}, "truncation")],
)
def test_a_number_out_of_range_is_named(changes, word):
    with pytest.raises(ValueError, match=rf"{word} must be .* Received: "):
        find_protocol("quick-5k").changed(changes)
    with pytest.raises(ValueError, match=rf"{word} must be"):
        Protocol("mine", "a test", **changes)


def test_an_unknown_protocol_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match=r"quick-5k\. Received: slow"):
        find_protocol("slow")
