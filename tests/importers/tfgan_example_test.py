"""Checkpoints of TF-GAN's example against what its files computed."""

import numpy as np
import pytest

from sagan_tf.importers import tfgan_example
from tests.importers.tf1_checkpoints import TFGAN, official
from tests.importers.tf1_checkpoints import tfgan_example as made
from tests.importers.torch_recordings import networks_of, refusal, without

G, D = "Generator/generator", "Discriminator/discriminator"
KERNEL = f"{G}/g_block2/snconv1/snconv1/kernel"
U = (
    f"{G}/g_block2/snconv1/snconv1/{KERNEL}/spectral_normalize/spectral_norm/"
    "spectral_norm_u"
)


@pytest.fixture(scope="module")
def recorded():
    return np.load(TFGAN)


@pytest.fixture(scope="module")
def tensors():
    return made("large")


def pictures():
    """The pictures that were judged."""
    random = np.random.RandomState(1)
    random.standard_normal((2, 5))  # z was drawn before them.
    return random.uniform(-1, 1, (2, 128, 128, 3)).astype(np.float32)


def shrunk(tensors, name, factor=0.2):
    """The tensors with one weight so small that its sigma is below 1."""
    return {**tensors, name: tensors[name] * np.float32(factor)}


def spectral_norms(tensors):
    """Field `spectral_norm`, and the names in the notes about it."""
    translation = tfgan_example.translate(tensors, {})
    notes = [note for note in translation.notes if "spectral norm" in note]
    return translation.fields["spectral_norm"], "".join(notes)


@pytest.mark.parametrize(
    ("kind", "step", "spectral_norm"), [("large", 1, "both"), ("small", 4, "none")]
)
def test_networks_give_what_theirs_gave(recorded, kind, step, spectral_norm):
    tensors = made(kind)
    translation = tfgan_example.translate(tensors, {})
    networks = networks_of(translation, tensors)
    inputs = [recorded["z"], recorded["labels"]]
    images = np.asarray(networks["generator"](inputs, training=False))
    wanted = recorded[f"{kind}/images"]
    assert wanted.std() > 0.1
    np.testing.assert_allclose(images[:, ::step, ::step], wanted, atol=1e-4)
    judged = [pictures(), recorded["labels"]]
    logits = np.asarray(networks["discriminator"](judged, training=False))
    np.testing.assert_allclose(logits, recorded[f"{kind}/logits"], atol=1e-4)
    assert translation.fields["spectral_norm"] == spectral_norm


def test_shapes_tell_the_networks(tensors):
    translation = tfgan_example.translate(tensors, {})
    assert translation.fields == {
        "resolution": 128,
        "image_channels": 3,
        "num_classes": 3,
        "z_dim": 5,
        "generator_channels": 2,
        "discriminator_channels": 4,
        "attention_resolution": (32,),
        "discriminator_attention_resolution": (32,),
        "attention_variant": "official",
        "spectral_norm": "both",
        "power_iterations": 1,
        "batch_norm_epsilon": 1e-3,
    }
    assert translation.settings == {
        "batch_norm_momentum": 0.999,
        "final_batch_norm_momentum": 0.999,
    }
    assert translation.step == 1234


def test_one_small_sigma_in_the_generator_takes_its_spectral_norm_alone(tensors):
    tensors = shrunk(tensors, KERNEL)
    spectral_norm, note = spectral_norms(tensors)
    assert spectral_norm == "discriminator"
    assert (
        f"out of the generator: the source divides by max(1, sigma), and sigma is "
        f"below 1 in {KERNEL}. " in note
    )
    networks = networks_of(tfgan_example.translate(tensors, {}), tensors)
    block = networks["generator"].get_layer("block_16x16")
    # Sigma below 1 divides by 1; another layer's weight has the norm 1, nearly.
    np.testing.assert_array_equal(block.convolution_1.kernel, tensors[KERNEL])
    matrix = np.reshape(block.convolution_2.kernel, (-1, 16))
    assert 1 <= np.linalg.norm(matrix, 2) < 1.5
    assert not hasattr(block.convolution_1, "u")
    first = networks["discriminator"].get_layer("block_1")
    assert first.convolution_1.u.shape == (1, 4)


def test_one_small_sigma_in_the_discriminator_takes_that_of_both(tensors):
    name = f"{D}/d_sn_linear/dense/kernel"
    spectral_norm, note = spectral_norms(shrunk(tensors, name, 0.01))
    assert spectral_norm == "none"
    assert "out of the generator and the discriminator: " in note
    assert f"is below 1 in {name}. " in note


def test_attention_is_divided_by_any_sigma(tensors, recorded):
    name = f"{G}/g_ops/sn_conv_g/weights"
    tensors = shrunk(tensors, name, 0.01)
    assert spectral_norms(tensors) == ("both", "")
    network = networks_of(tfgan_example.translate(tensors, {}), tensors)["generator"]
    images = network([recorded["z"], recorded["labels"]], training=False)
    np.testing.assert_allclose(images, recorded["large/images"], atol=1e-4)


@pytest.mark.parametrize("name", [KERNEL, U, f"{G}/g_bn/moving_variance"])
@pytest.mark.parametrize("kind", ["large", "small"])
def test_a_missing_tensor_is_named(kind, name):
    message = refusal(tfgan_example, without(made(kind), name))
    assert f"1 missing: {name}. Nothing was written." in message


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (U, (16, 1)),
        (U, (1, 288)),
        (KERNEL, (3, 3, 16, 16)),
        (KERNEL, ()),
        (f"{G}/g_bn/gamma", (2,)),
        (f"{G}/g_block1/cbn_0/beta", (3, 32)),
    ],
)
def test_another_shape_is_named(tensors, name, shape):
    tensors = {**tensors, name: np.zeros(shape, np.float32)}
    message = refusal(tfgan_example, tensors)
    assert " of another shape: " in message
    assert f"{name} {shape}" in message


def test_values_that_are_not_finite_are_refused(tensors):
    message = refusal(tfgan_example, shrunk(tensors, KERNEL, np.nan))
    assert f"not finite: {KERNEL} (3, 3, 32, 16), {U} (288, 1)" in message


def test_what_the_optimizers_leave_is_ignored(tensors):
    ignored = tfgan_example.translate(tensors, {}).ignored
    assert ignored[f"{KERNEL}/Adam_1"] == "moments of Adam"
    assert ignored["generator_train/train_op/beta2_power"] == "powers of Adam's betas"
    assert ignored["global_step"] == "counters of steps"
    assert not {name for name in ignored if name.endswith(("kernel", "_u", "bias"))}


def test_it_is_told_by_its_names(tensors):
    assert tfgan_example.recognizes(tensors)
    assert not tfgan_example.recognizes(official())
