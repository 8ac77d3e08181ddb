"""The networks and the training step against the official code's numbers."""

import functools
import json

import keras
import numpy as np
import pytest

from sagan_tf.networks.builders import build_discriminator, build_generator
from sagan_tf.networks.losses import LOSSES
from tests.parity.golden import (
    CONFIGURATIONS,
    FOLDER,
    FixedLatents,
    assign,
    dtype_scope,
    model_layer,
    model_variable,
    part,
    recording,
    restore,
    snapshot,
    true_size_weights,
    value,
)

pytestmark = pytest.mark.slow

# Tolerance of each quantity: float32 as golden/README suggests or tighter, float64 near
# the rounding with which the values were stored.
TOLERANCES = {
    "images, training mode": {"float32": 2e-4, "float64": 1e-4},
    "images, inference mode": {"float32": 5e-5, "float64": 3e-5},
    "logits": {"float32": 2e-5, "float64": 1e-12},
    "losses": {"float32": 2e-5, "float64": 1e-12},
    "sigma": {"float32": 2e-6, "float64": 1e-12},
    "u": {"float32": 2e-6, "float64": 5e-7},
    "moving statistics": {"float32": 2e-6, "float64": 5e-7},
    "block outputs (mean and sd per channel)": {"float32": 2e-4, "float64": 1e-7},
    "gradients of D": {"float32": 3e-4, "float64": 1e-6},
    "gradients of G": {"float32": 5e-3, "float64": 1e-6},
    "weights after the G step (units of the learning rate)": {
        "float32": 5e-2,
        "float64": 1e-3,
    },
    "weights after the D step (units of the learning rate)": {
        "float32": 5e-2,
        "float64": 1e-3,
    },
}


def recorded(golden, key):
    """The recorded value in the precision that is being tested."""
    prefix = "f64/" if keras.config.floatx() == "float64" else ""
    return golden[prefix + key]


@pytest.fixture
def close(deviation, floatx):
    """Compares a quantity under its tolerance."""

    def compare(quantity, ours, wanted, scale=1.0, where=""):
        tolerance = TOLERANCES[quantity][floatx]
        deviation(quantity, value(ours), wanted, tolerance, scale, where)

    return compare


def run_generator(model, golden, training):
    return model.generator(
        [golden.cast(golden.z), golden.fake_labels], training=training
    )


def run_discriminator(model, images, labels, training=False):
    return model.discriminator([images, labels], training=training)


# What several tests begin with is computed once for each configuration and precision.


def training_images(golden):
    """What G makes in training mode, in the recorded state."""
    return _training_images(golden.name, keras.config.floatx())


@functools.cache
def _training_images(name, floatx):
    golden = recording(name)
    return run_generator(golden.model(), golden, training=True)


def one_pass(golden):
    return [(0, (golden.cast(golden.real_images), golden.real_labels))]


def after_generator_step(golden, beta_2=0.999):
    """Our model in the state that G's first step leaves, G's gradients and loss."""
    state, *found = _generator_step(golden.name, keras.config.floatx(), beta_2)
    model = golden.model(beta_2)
    restore(model, state)
    return model, *found


@functools.cache
def _generator_step(name, floatx, beta_2):
    golden = recording(name)
    model = golden.model(beta_2)
    loss = model.generator_step(one_pass(golden))
    state = snapshot(model, "generator", "generator_optimizer")
    return state, model.generator_optimizer.gradients, value(loss)


def after_both_steps(golden, beta_2=0.999):
    """Our model after the first step of G and that of D, and both losses."""
    state, *losses = _both_steps(golden.name, keras.config.floatx(), beta_2)
    model = golden.model(beta_2)
    restore(model, state)
    return model, losses


@functools.cache
def _both_steps(name, floatx, beta_2):
    golden = recording(name)
    model, _, generator_loss = after_generator_step(golden, beta_2)
    loss = model.discriminator_step(one_pass(golden))
    items = ("generator", "discriminator")
    items += ("generator_optimizer", "discriminator_optimizer")
    return snapshot(model, *items), generator_loss, value(loss)


def test_generator_forward(golden, close):
    model = golden.model()
    infer = run_generator(model, golden, training=False)
    train = run_generator(model, golden, training=True)
    # Images were recorded by TensorFlow 1.5 in float32 only.
    close("images, inference mode", infer, golden["out/g_infer"])
    close("images, training mode", train, golden["out/g_train"])
    for name in golden.keys("u_after_g_forward/"):
        ours = model_variable(model, name)
        close("u", ours, golden["u_after_g_forward/" + name], where=name)
    for name in golden.keys("stats_after_update_ops/"):
        ours = model_variable(model, name)
        wanted = golden["stats_after_update_ops/" + name]
        close("moving statistics", ours, wanted, where=name)


def test_inference_repeats_itself(golden, float64):
    model = golden.model()
    first = run_generator(model, golden, training=False)
    np.testing.assert_array_equal(first, run_generator(model, golden, training=False))


def test_discriminator_forward(golden, close, floatx):
    fakes = training_images(golden)
    model = golden.model()
    real = golden.cast(golden.real_images), golden.real_labels
    logits = run_discriminator(model, fakes, golden.fake_labels)
    close("logits", logits, recorded(golden, "out/d_logits_fake_pre"))
    logits = run_discriminator(model, *real, training=True)
    close("logits", logits, recorded(golden, "out/d_logits_real"))
    for name in golden.keys("u_after_d_real/"):
        ours = model_variable(model, name)
        close("u", ours, golden["u_after_d_real/" + name], where=name)
    logits = run_discriminator(model, fakes, golden.fake_labels)
    close("logits", logits, recorded(golden, "out/d_logits_fake_seq"))


def test_sigma(golden, close):
    model = golden.model()
    for scope in golden.keys("sigma/"):
        ours = part(*model_layer(model, scope)).sigma()
        close("sigma", ours, recorded(golden, "sigma/" + scope), where=scope)


@pytest.mark.parametrize("run", ["train", "infer", "real", "fake"])
def test_block_outputs(golden, close, run):
    model = golden.model()
    fake_run = run == "fake"
    if run in ("real", "fake"):
        network, images = model.discriminator, golden.cast(golden.real_images)
        labels = golden.fake_labels if fake_run else golden.real_labels
        if fake_run:
            images = training_images(golden)
        inputs = [images, labels]
    else:
        network, inputs = model.generator, [golden.cast(golden.z), golden.fake_labels]
    names = [k[: -len("/mean")] for k in golden.keys("act/") if k.endswith("/mean")]
    names = [name for name in names if name.endswith("@" + run)]
    layers = [model_layer(model, "model/" + name.split("@")[0])[0] for name in names]
    outputs = keras.Model(network.inputs, [layer.output for layer in layers])(
        inputs, training=run == "train"
    )
    assert names
    for name, output in zip(names, outputs, strict=True):
        output = value(output)
        for statistic, ours in (
            ("mean", output.mean((0, 1, 2))),
            ("std", output.std((0, 1, 2))),
        ):
            wanted = golden[f"act/{name}/{statistic}"]
            quantity = "block outputs (mean and sd per channel)"
            close(quantity, ours, wanted, where=f"{name} {statistic}")


@functools.cache
def logits_at_rest(name, floatx):
    """Of fakes in training mode and of real images, before D's `u` has moved."""
    golden = recording(name)
    fakes = training_images(golden)
    model = golden.model()
    real = golden.cast(golden.real_images), golden.real_labels
    return (
        run_discriminator(model, fakes, golden.fake_labels),
        run_discriminator(model, *real),
    )


@pytest.mark.parametrize("loss", ["hinge", "kl"])
def test_losses(golden, close, floatx, loss):
    fake_logits, real_logits = logits_at_rest(golden.name, floatx)
    discriminator_loss, generator_loss = LOSSES[loss]
    ours = *discriminator_loss(real_logits, fake_logits), generator_loss(fake_logits)
    for term, each in zip(("d_real", "d_fake_pre", "g"), ours, strict=True):
        close("losses", each, recorded(golden, f"loss/{loss}_{term}"), where=term)


@pytest.mark.parametrize("network", ["G", "D"])
def test_gradients(golden, close, network):
    if network == "G":
        model, gradients, _ = after_generator_step(golden)
        group = "grad_g/exact"
    else:
        model = golden.model()
        model.discriminator_step(one_pass(golden))
        gradients = model.discriminator_optimizer.gradients
        group = "grad_d/exact_pre"
    for name, index, wanted, largest in golden.packed(
        group, skip=golden.meta["zero_gradient_vars"]
    ):
        ours = value(gradients[id(model_variable(model, name))]).ravel()[index]
        close(f"gradients of {network}", ours, wanted, scale=largest, where=name)


@pytest.mark.parametrize("beta_2", [0.999, 0.9])
def test_one_step_of_each_network(golden, close, floatx, beta_2):
    group = f"b2_{beta_2}/exact"
    model, *_ = after_generator_step(golden, beta_2)
    check_after_step(model, golden, close, f"{group}/after_g", "G")
    if floatx == "float64":
        model, _ = after_both_steps(golden, beta_2)
    else:
        # In float32 the D step starts from an exact G step, or the coin tosses of the
        # G step's unsafe elements would be compared as well.
        model = exact_after_g(golden, beta_2)
        model.discriminator_step(one_pass(golden))
    check_after_step(model, golden, close, f"{group}/after_d_pre", "D")


def check_after_step(model, golden, close, group, network):
    rate = golden.meta[f"{network.lower()}_lr"]
    quantity = f"weights after the {network} step (units of the learning rate)"
    for name, index, wanted, _ in golden.packed(
        group, skip=golden.meta["zero_gradient_vars"]
    ):
        ours = value(model_variable(model, name)).ravel()[index]
        close(quantity, ours, wanted, scale=rate, where=name)


def exact_after_g(golden, beta_2):
    """A float32 model whose G is in the state that a float64 step leaves."""
    with dtype_scope("float64"):
        exact, *_ = after_generator_step(golden, beta_2)
    model = golden.model(beta_2)
    model.generator.set_weights(exact.generator.get_weights())
    return model


# With the other beta 2, one configuration: a step with it is compared for all, above.
@pytest.mark.parametrize(
    ("golden", "beta_2"),
    [*((name, 0.999) for name in CONFIGURATIONS), ("A_attn32_warm", 0.9)],
    indirect=["golden"],
)
def test_losses_of_five_steps(golden, deviation, float64, beta_2):
    check_five_steps(golden, deviation, beta_2)


def test_losses_of_five_steps_in_float32(deviation):
    check_five_steps(recording("A_attn32"), deviation, 0.999)


def check_five_steps(golden, deviation, beta_2):
    model, losses = after_both_steps(golden, beta_2)
    data = golden.cast(golden.real_images), golden.real_labels
    wanted = golden[f"b2_{beta_2}/exact/loss_trace_pre"]
    # Also in float64 the last bias is moved by rounding errors: its gradient is zero as
    # long as as many reals as fakes are inside the hinge, and Adam makes a full step of
    # any noise. Five steps of 4e-4 are 5e-4 of losses of 4 and more.
    tolerance = {"float32": 1e-2, "float64": 5e-4}[keras.config.floatx()]
    for step, row in enumerate(wanted):
        if step > 0:
            model.reset_metrics()
            logs = model.train_step(data)
            losses = [value(logs["g_loss"]), value(logs["d_loss"])]
        both = np.array([row[0], row[1] + row[2]])
        scale = np.abs(wanted).max()
        deviation("losses of five steps", losses, both, tolerance, scale)


def test_a_step_moves_the_state_as_often_as_the_official_program(golden, float64):
    model = golden.model()
    before = {id(v): value(v) for v in model.variables}
    model.generator_step(one_pass(golden))
    for ours in model.discriminator.variables:
        np.testing.assert_array_equal(value(ours), before[id(ours)], ours.path)
    u = value(model_variable(model, "model/g_block1/snconv1/u"))
    assert np.abs(
        u - before[id(model_variable(model, "model/g_block1/snconv1/u"))]
    ).max()
    model.discriminator_step(one_pass(golden))
    assert (
        np.abs(value(model_variable(model, "model/g_block1/snconv1/u")) - u).max() > 0
    )
    for name in golden.keys("u_after_d_real/"):
        # Moved once, from the u and W before the step, which the recording has too.
        wanted = golden["u_after_d_real/" + name]
        np.testing.assert_allclose(
            value(model_variable(model, name)), wanted, atol=5e-7
        )


def test_true_size_forward(deviation):
    recording = np.load(FOLDER / "true_size_A.npz")
    meta = json.loads(str(recording["meta"]))
    model = FixedLatents(
        *true_size_networks(meta["num_classes"]), num_classes=meta["num_classes"]
    )
    sums = []
    for name, weight in true_size_weights(meta, recording):
        assign(model_variable(model, name), weight)
        sums.append([weight.sum(dtype="float64"), np.square(weight, dtype="f8").sum()])
    np.testing.assert_allclose(
        np.array(sums)[:, 0], recording["checksum/sum"], rtol=1e-6
    )
    z, labels, images, real_labels = (
        keras.ops.convert_to_tensor(recording[f"input/{name}"])
        for name in ("z", "gen_labels", "real_images", "real_labels")
    )
    infer = model.generator([z, labels])
    deviation("images, inference mode", infer, recording["out/g_infer"], 5e-5)
    logits = model.discriminator([images, real_labels])
    deviation("logits, true size", logits, recording["out/d_logits_real"], 2e-4)
    train = model.generator([z, labels], training=True)
    deviation("images, training mode", train, recording["out/g_train"], 2e-4)
    logits = model.discriminator([train, labels])
    deviation("logits, true size", logits, recording["out/d_logits_fake_pre"], 2e-4)


def true_size_networks(num_classes):
    generator = build_generator(num_classes=num_classes, batch_norm_debias=False)
    return generator, build_discriminator(num_classes=num_classes)
