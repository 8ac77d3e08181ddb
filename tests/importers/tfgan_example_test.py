"""Checkpoints of TF-GAN's example against what its files computed."""

import numpy as np
import pytest

from sagan_tf.importers import recognizes, tfgan_example
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


def their_sigma(matrix, u):
    """What TF-GAN's `compute_spectral_norm` returns: u^T W v after an iteration."""
    matrix, u = np.float64(matrix), np.float64(u)
    v = matrix.T @ u / np.linalg.norm(matrix.T @ u)
    u = matrix @ v / np.linalg.norm(matrix @ v)
    return float(np.squeeze(u.T @ matrix @ v))


@pytest.mark.parametrize(("kind", "step"), [("large", 1), ("small", 4)])
def test_networks_give_what_theirs_gave(recorded, kind, step):
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
        "spectral_norm_clamp": True,
        "power_iterations": 1,
        "batch_norm_epsilon": 1e-3,
    }
    assert translation.settings == {
        "batch_norm_momentum": 0.999,
        "final_batch_norm_momentum": 0.999,
        "spectral_norm_stop_gradient": True,
    }
    assert translation.step == 1234


@pytest.mark.parametrize("kind", ["large", "small"])
def test_a_training_that_goes_on_has_their_weights_and_divides_them_as_they_did(kind):
    tensors = made(kind)
    networks = networks_of(tfgan_example.translate(tensors, {}), tensors)
    block = networks["generator"].get_layer("block_16x16")
    np.testing.assert_array_equal(block.convolution_1.weight, tensors[KERNEL])
    sigma = their_sigma(tensors[KERNEL].reshape(-1, 16), tensors[U])
    assert (sigma < 1) == (kind == "small")
    np.testing.assert_allclose(
        block.convolution_1.normalized_weight(),
        tensors[KERNEL] / max(1, sigma),
        rtol=1e-5,
    )
    # With the next steps u comes to the true sigma.
    for _ in range(100):
        block.convolution_1.normalized_weight(update_u=True)
    exact = np.linalg.norm(tensors[KERNEL].reshape(-1, 16), 2)
    np.testing.assert_allclose(block.convolution_1.sigma(), exact, rtol=1e-2)


def test_attention_is_divided_by_any_sigma(tensors, recorded):
    name = f"{G}/g_ops/sn_conv_g/weights"
    tensors = shrunk(tensors, name, 0.01)
    network = networks_of(tfgan_example.translate(tensors, {}), tensors)["generator"]
    images = network([recorded["z"], recorded["labels"]], training=False)
    np.testing.assert_allclose(images, recorded["large/images"], atol=1e-4)


@pytest.mark.parametrize("of", ["weight", "u"])
def test_a_sigma_of_0_leaves_a_weight_as_it_is_and_u_can_grow(tensors, of):
    tensors = {**tensors, KERNEL if of == "weight" else U: np.float32(0)}
    tensors[KERNEL] = np.broadcast_to(tensors[KERNEL], (3, 3, 32, 16))
    tensors[U] = np.broadcast_to(tensors[U], (288, 1))
    networks = networks_of(tfgan_example.translate(tensors, {}), tensors)
    convolution = networks["generator"].get_layer("block_16x16").convolution_1
    np.testing.assert_array_equal(convolution.normalized_weight(), tensors[KERNEL])
    # As a training would have moved it.
    convolution.weight.assign(made("large")[KERNEL])
    for _ in range(100):
        convolution.normalized_weight(update_u=True)
    exact = np.linalg.norm(made("large")[KERNEL].reshape(-1, 16), 2)
    np.testing.assert_allclose(convolution.sigma(), exact, rtol=1e-2)


def test_attention_that_theirs_divides_by_0_is_refused(tensors):
    name = f"{G}/g_ops/sn_conv_g/weights"
    message = refusal(tfgan_example, shrunk(tensors, name, 0))
    assert f"1 not finite: {name} (1, 1, 8, 4), " in message


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
    assert recognizes(tfgan_example, tensors)
    assert not recognizes(tfgan_example, official())
