"""scripts/pytorch_sagan.py: the networks that ours are compared with are the same."""

import math
import pathlib
import sys

import numpy as np
import pytest

from sagan_tf import build_discriminator, build_generator
from sagan_tf.layers import ConditionalBatchNorm, SpectralNormalization

torch = pytest.importorskip("torch", reason="PyTorch is in the torch extra")

# The script stands beside the package, not in it.
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "scripts"))
import pytorch_sagan  # noqa: E402

SIZES = {
    "resolution": 32,
    "channels": 4,
    "num_classes": 5,
    "attention_resolution": 16,
    "batch_size": 3,
    "dtype_policy": "float32",
}


def networks(settings):
    """Ours and PyTorch's: two pairs."""
    names = ("resolution", "channels", "num_classes", "attention_resolution")
    options = {name: settings[name] for name in names}
    ours = build_generator(**options), build_discriminator(**options)
    return ours, pytorch_sagan.make_networks(settings)


@pytest.mark.parametrize(
    ("resolution", "attention"), [(32, 8), (64, 32), (128, 64), (256, 32)]
)
def test_there_are_as_many_parameters_as_in_ours(resolution, attention):
    settings = {**SIZES, "channels": 2, "resolution": resolution}
    ours, theirs = networks({**settings, "attention_resolution": attention})
    counts = [
        sum(math.prod(variable.shape) for variable in network.trainable_variables)
        for network in ours
    ]
    assert pytorch_sagan.facts(theirs)["parameters"] == counts


def copy_layer(ours, theirs):
    """Gives a spectrally normalized layer of ours the weights of PyTorch's."""
    for _ in range(1000):
        theirs.weight  # noqa: B018 - reading it is one power iteration.
    assert isinstance(ours, SpectralNormalization)
    stored = theirs.parametrizations.weight
    weight = stored.original.detach().numpy()
    # PyTorch's kernels are (c_out, c_in, kh, kw).
    ours.weight.assign(weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T)
    ours.u.assign(stored[0]._u.numpy()[None])
    if getattr(theirs, "bias", None) is not None:
        theirs.bias.data.normal_()
        ours.layer.bias.assign(theirs.bias.detach().numpy())


def copy_batch_norm(ours, theirs):
    assert isinstance(ours, ConditionalBatchNorm)
    if ours.num_classes:
        tables = theirs.gain.weight, theirs.bias.weight
        statistics = theirs.normalization
    else:
        tables, statistics = (theirs.weight, theirs.bias), theirs
    for table in tables:
        table.data.uniform_(0.5, 1.5)
    statistics.running_mean.normal_()
    statistics.running_var.uniform_(0.5, 2)
    for variable, values in zip(
        (ours.gamma, ours.beta, ours.moving_mean, ours.moving_variance),
        (*tables, statistics.running_mean, statistics.running_var),
    ):
        variable.assign(values.detach().numpy())


def copy_parts(ours, theirs, names):
    for name in names:
        part, of_theirs = getattr(ours, name), getattr(theirs, name)
        if part is None:
            assert isinstance(of_theirs, torch.nn.Identity)
        elif name.startswith("batch_norm"):
            copy_batch_norm(part, of_theirs)
        else:
            copy_layer(part, of_theirs)


def copy_attention(ours, theirs):
    copy_parts(ours, theirs, ("query", "key", "value"))
    copy_layer(ours.output_convolution, theirs.output)
    theirs.gamma.data.fill_(0.7)
    ours.gamma.assign(0.7)


def values(seed, *shape):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


def test_the_generator_makes_the_same_images():
    (ours, _), (theirs, _) = networks(SIZES)
    copy_layer(ours.get_layer("linear"), theirs.linear)
    convolutions = ("convolution_1", "convolution_2", "shortcut")
    for index, block in enumerate(theirs.blocks):
        layer = ours.get_layer(f"block_{8 * 2**index}x{8 * 2**index}")
        copy_parts(layer, block, ("batch_norm_1", "batch_norm_2", *convolutions))
    copy_attention(ours.get_layer("attention_16x16"), theirs.attention["16"])
    copy_batch_norm(ours.get_layer("batch_norm"), theirs.batch_norm)
    copy_layer(ours.get_layer("image_convolution"), theirs.convolution)
    z, labels = values(1, 3, 128), np.array([0, 4, 2])
    images = theirs.eval()(torch.from_numpy(z), torch.from_numpy(labels))
    images = images.detach().numpy().transpose(0, 2, 3, 1)
    assert images.std() > 0.1
    np.testing.assert_allclose(ours([z, labels]), images, atol=1e-4)


def test_the_discriminator_gives_the_same_logits():
    (_, ours), (_, theirs) = networks(SIZES)
    for index, block in enumerate(theirs.blocks):
        names = ("convolution_1", "convolution_2", "shortcut")
        copy_parts(ours.get_layer(f"block_{index + 1}"), block, names)
    copy_attention(ours.get_layer("attention_16x16"), theirs.attention["0"])
    head = ours.get_layer("projection_head")
    copy_layer(head.linear, theirs.linear)
    for _ in range(1000):
        theirs.embedding.weight  # noqa: B018
    stored = theirs.embedding.parametrizations.weight
    head.embedding.weight.assign(stored.original.detach().numpy())
    # Our matrix is the table's transpose; PyTorch's is the table, whose u has classes.
    head.embedding.u.assign(stored[0]._u.numpy()[None])
    images, labels = values(2, 3, 32, 32, 3), np.array([1, 0, 4])
    inputs = torch.from_numpy(images.transpose(0, 3, 1, 2)), torch.from_numpy(labels)
    logits = theirs.eval()(*inputs).detach().numpy()
    assert logits.std() > 0.1
    np.testing.assert_allclose(ours([images, labels])[:, 0], logits, rtol=1e-3)


@pytest.mark.parametrize("dtype_policy", ["float32", "mixed_bfloat16"])
def test_a_step_moves_each_network_once(dtype_policy):
    step = pytorch_sagan.TrainingStep({**SIZES, "dtype_policy": dtype_policy})
    both = step.generator, step.discriminator
    for network in both:
        for attention in network.attention.values():
            attention.gamma.data.fill_(0.5)  # At 0, its convolutions would not move.
    before = [[p.detach().clone() for p in network.parameters()] for network in both]
    assert torch.isfinite(step())
    for network, old in zip(both, before):
        assert all(
            not torch.equal(new, was) for new, was in zip(network.parameters(), old)
        )
    for optimizer in (step.generator_optimizer, step.discriminator_optimizer):
        assert {state["step"].item() for state in optimizer.state.values()} == {1}
