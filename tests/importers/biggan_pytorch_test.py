import numpy as np
import pytest

from sagan_tf.importers import biggan_pytorch, recognizes
from tests.importers.torch_recordings import (
    draw,
    judge,
    load,
    networks_of,
    refusal,
    without,
)


@pytest.fixture(scope="module")
def recording():
    return load("biggan_pytorch_32")


@pytest.fixture(scope="module")
def networks(recording):
    return networks_of(
        biggan_pytorch.translate(recording.tensors, {}), recording.tensors
    )


def test_the_generator_draws_what_theirs_draws(recording, networks):
    images = draw(networks["generator"], recording)
    np.testing.assert_allclose(images, recording.images, atol=1e-5)


def test_the_averaged_generator_draws_what_theirs_draws(recording, networks):
    images = draw(networks["ema_generator"], recording)
    np.testing.assert_allclose(images, recording.ema_images, atol=1e-5)
    assert np.abs(recording.ema_images - recording.images).max() > 0.1


def test_the_discriminator_judges_as_theirs_does(recording, networks):
    logits = judge(networks["discriminator"], recording)
    np.testing.assert_allclose(logits, recording.logits, rtol=1e-5, atol=1e-5)


def test_both_networks_of_128_pixels_give_what_theirs_give():
    recording = load("biggan_pytorch_128")
    translation = biggan_pytorch.translate(recording.tensors, {})
    networks = networks_of(translation, recording.tensors)
    images = draw(networks["generator"], recording)
    np.testing.assert_allclose(images, recording.images, atol=1e-5)
    logits = judge(networks["discriminator"], recording)
    np.testing.assert_allclose(logits, recording.logits, rtol=1e-5, atol=1e-5)
    assert translation.fields["attention_resolution"] == (64,)
    assert translation.fields["discriminator_attention_resolution"] == (32,)


def test_shapes_tell_the_networks(recording):
    translation = biggan_pytorch.translate(recording.tensors, {})
    told = {
        "resolution": 32,
        "image_channels": 3,
        "num_classes": 3,
        "z_dim": 6,
        "generator_channels": 4,
        "discriminator_channels": 4,
        "attention_resolution": (16,),
        "discriminator_attention_resolution": (),
        "spectral_norm": "both",
        "batch_norm_epsilon": 1e-5,
        "ema_decay": 0.9999,
    }
    assert told.items() <= translation.fields.items()
    assert translation.notes == []


def test_the_averaged_generator_may_come_alone(recording):
    tensors = {k: v for k, v in recording.tensors.items() if k.startswith("G_ema/")}
    translation = biggan_pytorch.translate(tensors, {})
    assert set(translation.networks) == {"generator"}
    assert "ema_decay" not in translation.fields
    images = draw(networks_of(translation, tensors)["generator"], recording)
    np.testing.assert_allclose(images, recording.ema_images, atol=1e-5)


def test_another_epsilon_of_the_blocks_leaves_the_last_batch_norm_as_it_is(recording):
    # BigGAN-PyTorch's --BN_eps does not reach its last one.
    given = {"batch_norm_epsilon": 0.5}
    networks = networks_of(
        biggan_pytorch.translate(recording.tensors, given), recording.tensors
    )
    last = networks["generator"].get_layer("batch_norm")
    x = np.random.default_rng(0).normal(size=(1, 2, 2, 16)).astype(np.float32)
    mean, variance, gain, bias = (
        recording.tensors[f"G/output_layer.0.{name}"]
        for name in ("stored_mean", "stored_var", "gain", "bias")
    )
    wanted = (x - mean) / np.sqrt(variance + 1e-5) * gain + bias
    np.testing.assert_allclose(np.asarray(last(x)), wanted, rtol=1e-4, atol=1e-5)
    assert networks["generator"].get_layer("block_8x8").batch_norm_1.epsilon == 0.5


@pytest.mark.parametrize(
    "name",
    [
        "G/linear.u0",
        "G/blocks.0.0.conv2.bias",
        "G/blocks.1.1.gamma",
        "G/blocks.2.0.bn2.gain.weight",
        "G_ema/output_layer.0.stored_var",
        "D/blocks.1.0.conv_sc.weight",
        "D/embed.u0",
        "D/linear.weight",
    ],
)
def test_a_missing_tensor_is_named(recording, name):
    assert name in refusal(biggan_pytorch, without(recording.tensors, name))


def test_a_tensor_too_many_is_named(recording):
    tensors = {**recording.tensors, "D/blocks.0.0.conv3.bias": np.zeros(3, np.float32)}
    assert "D/blocks.0.0.conv3.bias (3,)" in refusal(biggan_pytorch, tensors)


@pytest.mark.parametrize(
    "name",
    ["G/blocks.0.0.conv2.weight", "G/linear.u0", "D/embed.weight", "G/linear.bias"],
)
def test_a_wrong_shape_is_named(recording, name):
    wrong = np.concatenate([recording.tensors[name]] * 2, -1)
    message = refusal(biggan_pytorch, {**recording.tensors, name: wrong})
    assert f"{name} {wrong.shape}" in message


@pytest.mark.parametrize(
    "name, setting",
    [
        ("G/shared.weight", "--G_shared"),
        ("G_ema/shared.weight", "--G_shared"),
        ("G/blocks.0.0.bn1.bn.running_mean", "--cross_replica"),
        ("G/blocks.0.0.bn1.bn.stored_mean", "--mybn"),
        ("D/linear.u1", "SVs"),
    ],
)
def test_settings_that_make_other_networks_are_named(recording, name, setting):
    message = refusal(
        biggan_pytorch, {**recording.tensors, name: np.zeros(3, np.float32)}
    )
    assert setting in message and name in message


def test_other_widths_are_refused(recording):
    name = "G/blocks.0.0.conv1.weight"
    wide = np.repeat(recording.tensors[name], 2, axis=0)
    message = refusal(biggan_pytorch, {**recording.tensors, name: wide})
    assert "Received: 16, 32, 16, 16" in message


def test_only_names_of_its_generator_are_recognized(recording):
    assert recognizes(biggan_pytorch, recording.tensors)
    assert not recognizes(biggan_pytorch, load("mmgeneration_32").tensors)
    assert not recognizes(biggan_pytorch, load("studiogan_32").tensors)
    assert not recognizes(biggan_pytorch, ["D/linear.weight"])


def test_a_discriminator_alone_is_refused(recording):
    tensors = {k: v for k, v in recording.tensors.items() if k.startswith("D/")}
    assert recognizes(biggan_pytorch, tensors)
    assert "a discriminator alone" in refusal(biggan_pytorch, tensors)
