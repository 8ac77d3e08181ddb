import numpy as np
import pytest

from sagan_tf.importers import recognizes, studiogan
from tests.importers.torch_recordings import (
    draw,
    load,
    networks_of,
    refusal,
    without,
)


@pytest.fixture(scope="module")
def recording():
    return load("studiogan_32")


@pytest.mark.parametrize(
    "name", ["studiogan_32", "studiogan_32_plain", "studiogan_128"]
)
def test_the_generator_draws_what_theirs_draws(name):
    recording = load(name)
    translation = studiogan.translate(recording.tensors, {})
    networks = networks_of(translation, recording.tensors)
    images = draw(networks["generator"], recording)
    np.testing.assert_allclose(images, recording.images, atol=1e-5)


def test_the_averaged_generator_draws_what_theirs_draws(recording):
    # Its u and v are averages as well, and shorter than 1.
    translation = studiogan.translate(recording.tensors, {})
    networks = networks_of(translation, recording.tensors)
    images = draw(networks["ema_generator"], recording)
    np.testing.assert_allclose(images, recording.ema_images, atol=1e-5)
    assert np.abs(recording.ema_images - recording.images).max() > 0.1
    assert np.linalg.norm(recording.tensors["G_ema/linear0.weight_u"]) < 0.999


def test_shapes_tell_the_networks(recording):
    told = {
        "resolution": 32,
        "image_channels": 3,
        "num_classes": 3,
        "z_dim": 7,
        "generator_channels": 4,
        "attention_resolution": (16,),
        "spectral_norm": "both",
        "batch_norm_epsilon": 1e-4,
        "ema_decay": 0.9999,
    }
    fields = studiogan.translate(recording.tensors, {}).fields
    assert told.items() <= fields.items()


def test_a_generator_without_spectral_norm_stays_so():
    recording = load("studiogan_32_plain")
    translation = studiogan.translate(recording.tensors, {})
    assert translation.fields["spectral_norm"] == "discriminator"
    assert translation.fields["num_classes"] == 0
    assert translation.notes == []


def test_the_discriminator_is_left_out_and_named(recording):
    translation = studiogan.translate(recording.tensors, {})
    assert "discriminator" not in translation.networks
    (note,) = translation.notes
    assert "ReLU in place" in note
    assert "ReLU in place" in translation.ignored["D/linear1.bias"]


def test_its_networks_of_64_pixels_are_refused():
    # 16, 8, 4, 2, 1 times the channels: as many blocks as our 16, 16, 8, 4, 2.
    tensors = {"G/linear0.weight": np.zeros((16 * 64, 7), np.float32)}
    for index, width in enumerate((32, 16, 8, 4)):
        name = f"G/blocks.{index}.0.conv2d1.weight"
        tensors[name] = np.zeros((width, 2 * width, 3, 3), np.float32)
    message = refusal(studiogan, tensors)
    assert "Received: 64, 32, 16, 8, 4." in message
    assert "64 pixels: 16, 16, 8, 4, 2" in message


@pytest.mark.parametrize(
    "name",
    [
        "G/linear0.weight_u",
        "G/bn4.weight",
        "G/blocks.2.0.sigma",
        "G/blocks.0.0.bn2.gain.weight_v",
        "G/blocks.0.0.bn1.bn.running_mean",
        "G_ema/blocks.1.0.conv2d0.bias",
    ],
)
def test_a_missing_tensor_is_named(recording, name):
    assert name in refusal(studiogan, without(recording.tensors, name))


def test_a_tensor_too_many_is_named(recording):
    # Of a generator with information injected (InfoGAN).
    name = "G/info_mix_linear.weight_orig"
    tensors = {**recording.tensors, name: np.zeros((7, 9), np.float32)}
    assert f"{name} (7, 9)" in refusal(studiogan, tensors)


@pytest.mark.parametrize(
    "name",
    ["G/blocks.0.0.bn1.bias.weight_orig", "G/conv2d5.weight_v", "G/blocks.2.0.sigma"],
)
def test_a_wrong_shape_is_named(recording, name):
    wrong = np.concatenate([recording.tensors[name]] * 2, -1)
    message = refusal(studiogan, {**recording.tensors, name: wrong})
    assert f"{name} {wrong.shape}" in message


def test_the_iteration_is_the_step(recording):
    tensors = {**recording.tensors, "meta.iter": np.array(7000)}
    translation = studiogan.translate(tensors, {})
    assert translation.step == 7000
    networks_of(translation, tensors)


def test_a_discriminator_alone_is_refused(recording):
    tensors = {k: v for k, v in recording.tensors.items() if k.startswith("D/")}
    assert recognizes(studiogan, tensors)
    assert "a discriminator alone" in refusal(studiogan, tensors)


def test_only_names_of_its_generator_are_recognized(recording):
    assert recognizes(studiogan, recording.tensors)
    assert recognizes(studiogan, load("studiogan_32_plain").tensors)
    assert not recognizes(studiogan, load("biggan_pytorch_32").tensors)
    assert not recognizes(studiogan, load("mmgeneration_32").tensors)
