"""The training step and what surrounds it."""

import collections
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny import changing

from sagan_tf.errors import BadInput
from sagan_tf.layers import SelfAttention, SpectralNormalization
from sagan_tf.model.sagan import SAGAN, official_adam
from sagan_tf.networks.augmentation import KINDS, Augmentation
from sagan_tf.networks.builders import build_discriminator, build_generator

CLASSES, BATCH = 3, 4


def networks(num_classes=CLASSES, seed=0, head="projection", **options):
    keras.utils.set_random_seed(seed)
    common = {"num_classes": num_classes, "channels": 2, "image_channels": 1}
    common["attention_resolution"] = (16,)
    generator = build_generator(32, z_dim=5, **common, **options)
    return generator, build_discriminator(32, head=head, **common)


def sagan(num_classes=CLASSES, loss="hinge", network_options=None, **options):
    model = SAGAN(
        *networks(num_classes, **(network_options or {})),
        num_classes=num_classes,
        **options,
    )
    model.compile(official_adam(1e-2), official_adam(4e-2), loss=loss)
    return model


# What makes a generator draw more different images.
VARIETY = {"mode_seeking_weight": 0.5, "mode_seeking_distance": 2.0}


def varied(**options):
    """A `sagan` with mode seeking and an adaptive augmentation that is under way."""
    augmentation = Augmentation(KINDS, target=0.1, adaptation_images=20)
    augmentation.probability.assign(0.5)
    return sagan(augmentation=augmentation, **VARIETY, **options)


def data(count=BATCH, num_classes=CLASSES, seed=0):
    random = np.random.default_rng(seed)
    images = random.uniform(-1, 1, (count, 32, 32, 1)).astype("float32")
    labels = random.integers(0, CLASSES, count).astype("int32")
    return (
        (tf.constant(images), tf.constant(labels))
        if num_classes
        else tf.constant(images)
    )


def snapshot(model):
    return {id(v): v.numpy() for v in model.variables}


def moved(variables, before):
    return [v for v in variables if not np.array_equal(v.numpy(), before[id(v)])]


def state(model):
    """All that a step changes, as a list of arrays."""
    return [variable.numpy() for variable in changing(model)]


def assert_same(one, other):
    for a, b in zip(state(one), state(other), strict=True):
        np.testing.assert_array_equal(a, b)


def passes(model, count=1):
    return [(draw, data(seed=draw)) for draw in range(count)]


def test_generator_step_leaves_discriminator_alone():
    model = sagan()
    before = snapshot(model)
    model.generator_step(passes(model))
    assert not moved(model.discriminator.variables, before)
    still = {v.path for v in model.generator.variables} - {
        v.path for v in moved(model.generator.variables, before)
    }
    # gamma is 0 at the start, so nothing reaches the attention's convolutions. Biases
    # whose gradient batch normalisation removes may or may not move by rounding.
    assert all("attention" in path or path.endswith("bias") for path in still), still


def test_discriminator_step_leaves_the_generators_weights_alone():
    model = sagan()
    before = snapshot(model)
    model.discriminator_step(passes(model))
    assert not moved(model.generator.trainable_variables, before)
    states = model.generator.non_trainable_variables
    assert len(moved(states, before)) == len(states)
    assert moved(model.discriminator.trainable_variables, before)


def test_discriminator_sees_real_and_fake_under_the_same_weights():
    # Two calls, real then fake, would move u twice, and give other logits to the fakes.
    model = sagan()
    layer = model.discriminator.get_layer("block_1").convolution_1
    kernel, u = layer.weight.numpy().reshape(-1, 8), layer.u.numpy()
    v = u @ kernel.T / np.linalg.norm(u @ kernel.T)
    expected = v @ kernel / np.linalg.norm(v @ kernel)
    model.discriminator_step(passes(model))
    np.testing.assert_allclose(layer.u, expected, atol=1e-5)


def test_both_steps_see_one_w_over_sigma_of_the_discriminator(monkeypatch):
    """Its u moves once in a training step; the generator's u move twice."""
    model = sagan()
    calls = collections.defaultdict(list)
    compute = SpectralNormalization.normalized_weight

    def recorded(self, update_u=False):
        # The stored value, whatever scope the layer is called in.
        before = self.u._value.numpy()
        weight = compute(self, update_u)
        has_moved = np.any(self.u._value.numpy() != before)
        calls[self].append((weight.numpy(), has_moved))
        return weight

    monkeypatch.setattr(SpectralNormalization, "normalized_weight", recorded)
    model.train_step(data())
    layers = [x for x in calls if x in model.discriminator._flatten_layers()]
    assert len(layers) > 10
    for layer in layers:
        (first, moved_first), (second, moved_second) = calls[layer]
        assert (moved_first, moved_second) == (False, True), layer.path
        np.testing.assert_array_equal(first, second)
    # With one output, u is 1 or -1 after its first move.
    others = [x for x in calls if x not in layers and x.u.shape[1] > 1]
    assert len(others) > 10
    for layer in others:
        assert [moved for _, moved in calls[layer]] == [True, True], layer.path


def test_the_two_learning_rates_are_separate():
    model = sagan()
    model.generator_optimizer.learning_rate = 0.0
    before = snapshot(model)
    model.train_step(data())
    assert not moved(model.generator.trainable_variables, before)
    assert moved(model.discriminator.trainable_variables, before)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "num_classes"),
    # A loss knows nothing of classes.
    [
        ("hinge", CLASSES),
        ("kl", None),
        ("non_saturating", CLASSES),
        ("wasserstein", None),
    ],
)
def test_every_loss_trains_with_and_without_classes(loss, num_classes):
    model = sagan(num_classes, loss=loss)
    before = snapshot(model)
    logs = model.train_step(data(num_classes=num_classes))
    assert all(np.isfinite(float(value)) for value in logs.values())
    assert moved(model.generator.trainable_variables, before)
    assert moved(model.discriminator.trainable_variables, before)
    assert int(model.step) == 1
    assert int(model.first_nonfinite_step) == -1


def test_logs_hold_losses_logits_accuracy_and_gammas():
    logs = sagan().train_step(data())
    assert set(logs) == {
        *("g_loss", "d_loss", "real_logits", "fake_logits", "d_accuracy"),
        *("gamma_g_attention_16x16", "gamma_d_attention_16x16"),
    }


AC_GAN = {"network_options": {"head": "auxiliary_classifier"}}


def numpy_cross_entropy(class_logits, labels):
    """Of each image: minus the log of its label's share."""
    shifted = class_logits - class_logits.max(1, keepdims=True)
    shares = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True)
    return -np.log(shares[np.arange(len(labels)), labels])


def judged(model, images):
    """Logits `(B,)` and class logits `(B, CLASSES)`; nothing moves."""
    out = model.discriminator(images, training=False).numpy()
    assert out.shape == (len(images), 1 + CLASSES)
    return out[:, 0], out[:, 1:]


def copied(model, **options):
    """Another model with the same weights."""
    twin = sagan(**options)
    twin.generator.set_weights(model.generator.get_weights())
    twin.discriminator.set_weights(model.discriminator.get_weights())
    return twin


@pytest.mark.slow
@pytest.mark.parametrize("weight", [0.25, 0.0])
def test_ac_gan_s_losses_are_hinge_plus_the_weighted_class_losses(weight):
    options = {**AC_GAN, "class_loss_weight": weight}
    model = sagan(**options)
    twin = copied(model, **options)
    found = model.generator_step([(0, data())])
    z, labels = twin.draw_latents(0, BATCH)
    logits, classes = judged(twin, twin.generator([z, labels], training=True))
    of_classes = numpy_cross_entropy(classes, labels.numpy()).mean()
    np.testing.assert_allclose(found, -logits.mean() + weight * of_classes, rtol=1e-4)
    assert of_classes > 0.1

    twin = copied(model, **options)
    images, real_labels = data(seed=1)
    found = model.discriminator_step([(1, (images, real_labels))])
    z, labels = twin.draw_latents(1, BATCH)
    real, real_classes = judged(twin, images)
    fake, fake_classes = judged(twin, twin.generator([z, labels], training=True))
    hinge = np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean()
    of_classes = (
        numpy_cross_entropy(real_classes, real_labels.numpy()).mean()
        + numpy_cross_entropy(fake_classes, labels.numpy()).mean()
    )
    np.testing.assert_allclose(found, hinge + weight * of_classes, rtol=1e-4)


def plain_classifier(**options):
    """An AC-GAN without `u`, so that D's gradient can be written down."""
    keras.utils.set_random_seed(0)
    discriminator = build_discriminator(
        *(32, CLASSES, 2, 1),
        attention_resolution=(),
        spectral_norm=False,
        head="auxiliary_classifier",
    )
    model = NumberedLatents(
        plain_generator(), discriminator, num_classes=CLASSES, **options
    )
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1))
    return model


@pytest.mark.parametrize("weight", [1.0, 0.3])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_ac_gan_s_classifier_learns_from_real_and_fake_images(weight, accumulate):
    model = plain_classifier(
        class_loss_weight=weight, gradient_accumulation_steps=accumulate
    )
    head = model.discriminator.layers[-1]
    features = keras.Model(model.discriminator.inputs, head.input)
    kernel = head.classifier.kernel.numpy()
    parts = [(draw, data(seed=draw)) for draw in range(1, 1 + accumulate)]
    expected = np.zeros_like(kernel)
    for draw, (images, real_labels) in parts:
        z, labels = model.draw_latents(draw, BATCH)
        fakes = model.generator([z, labels])
        for pictures, classes in ((images, real_labels), (fakes, labels)):
            h = features(pictures).numpy()
            logits = h @ kernel + head.classifier.bias.numpy()
            shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
            surplus = shares - np.eye(CLASSES)[classes.numpy()]
            expected += weight * h.T @ surplus / (BATCH * accumulate)
    model.discriminator_step(parts)
    found = (kernel - head.classifier.kernel.numpy()) / 0.1
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_ac_gan_s_generator_learns_its_classes_as_far_as_they_weigh():
    """The update is that of hinge plus the weight times one and the same direction."""

    def update(weight):
        model = plain_classifier(class_loss_weight=weight)
        before = model.generator.get_weights()
        model.generator_step([(0, data())])
        after = model.generator.get_weights()
        return np.concatenate([(b - a).ravel() for a, b in zip(before, after)])

    none, half, whole = (update(weight) for weight in (0.0, 0.5, 1.0))
    assert np.abs(whole - none).max() > 0.01 * np.abs(none).max()
    np.testing.assert_allclose(
        half - none, (whole - none) / 2, atol=1e-3 * np.abs(whole - none).max()
    )


def test_without_class_losses_the_classifier_stays_as_it_is():
    model = plain_classifier(class_loss_weight=0.0)
    head = model.discriminator.layers[-1]
    before = snapshot(model)
    model.train_step(data())
    assert not moved(head.classifier.weights, before)
    assert moved(head.linear.weights, before)


def always(label, **options):
    """An AC-GAN whose classifier says the same of every image, and never learns."""
    model = plain_classifier(**options)
    model.discriminator_optimizer.learning_rate = 0.0
    bias = model.discriminator.layers[-1].classifier.bias
    bias.assign(1000.0 * np.eye(CLASSES)[label])
    return model


@pytest.mark.parametrize(("discriminator_steps", "accumulate"), [(1, 1), (2, 3)])
def test_class_accuracies_are_shares_of_all_images_of_a_step(
    discriminator_steps, accumulate
):
    """Of a classifier that always says 1, the share of the label 1 is the accuracy."""
    parts = discriminator_steps * accumulate
    model = always(
        1,
        discriminator_steps=discriminator_steps,
        gradient_accumulation_steps=accumulate,
    )
    fakes = [model.draw_latents(accumulate + i, BATCH)[1].numpy() for i in range(parts)]
    images, _ = data(BATCH * parts)
    # All of the first passes, one of the last.
    labels = np.where(np.arange(BATCH * parts) < BATCH * parts - 3, 1, 2)
    logs = model.train_step((images, tf.constant(labels, tf.int32)))
    assert float(logs["real_class_accuracy"]) == pytest.approx(np.mean(labels == 1))
    expected = np.mean(np.concatenate(fakes) == 1)
    assert float(logs["fake_class_accuracy"]) == pytest.approx(expected)


def test_class_accuracies_are_means_since_the_last_reset():
    model = always(1)
    images, _ = data()
    for label in (1, 1, 0):
        logs = model.train_step((images, tf.fill([BATCH], label)))
    assert float(logs["real_class_accuracy"]) == pytest.approx(2 / 3)
    model.reset_metrics()
    logs = model.train_step((images, tf.fill([BATCH], 0)))
    assert float(logs["real_class_accuracy"]) == 0.0


def test_ac_gan_alone_logs_class_accuracies():
    accuracies = {"real_class_accuracy", "fake_class_accuracy"}
    metrics = {metric.name for metric in plain_classifier().metrics}
    assert metrics >= accuracies
    assert not accuracies & {metric.name for metric in sagan().metrics}


def endless(num_classes=CLASSES, batch=BATCH):
    dataset = tf.data.Dataset.from_tensor_slices(data(16, num_classes))
    return dataset.repeat().batch(batch, drop_remainder=True)


def sgd(rate=0.01):
    """For comparisons: Adam's first step is the sign of a gradient's rounding error."""
    return keras.optimizers.SGD(rate, momentum=0.9)


def fitted(steps, **options):
    model = sagan()
    model.compile(sgd(), sgd(), **options)
    model.fit(endless(), steps_per_epoch=steps, verbose=0)
    return model


@pytest.mark.slow
def test_every_mode_of_execution_makes_the_same_steps():
    eager, graph = fitted(3, run_eagerly=True), fitted(3)
    assert_same(graph, fitted(3, steps_per_execution=3))
    for a, b in zip(state(eager), state(graph), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)


@pytest.mark.slow
def test_a_clone_has_the_settings_and_can_take_the_weights():
    model = varied(ema_decay=0.9, discriminator_steps=2)
    clone = keras.models.clone_model(model)
    assert clone.get_config() == model.get_config()
    clone.set_weights(model.get_weights())
    z, labels = np.ones((2, 5), "float32"), [0, 2]
    np.testing.assert_array_equal(clone.generate(z, labels), model.generate(z, labels))


@pytest.mark.slow
@pytest.mark.parametrize("ema", [True, False])
def test_export_is_the_generator_that_generates(ema, tmp_path):
    model = sagan(ema_decay=0.5)
    model.train_step(data())
    model.train_step(data())
    model.export(tmp_path / "export", verbose=False, ema=ema)
    served = tf.saved_model.load(tmp_path / "export")
    z, labels = tf.ones((2, 5)), tf.constant([0, 2])
    expected = model.generate(z, labels, ema=ema)
    np.testing.assert_allclose(served.serve([z, labels]), expected, atol=1e-5)


def test_graphs_are_left_as_they_are_without_a_call_that_nobody_knows():
    # "remapper failed" would be printed at the first step.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
    sagan()
    assert tf.config.optimizer.get_experimental_options()["disable_meta_optimizer"]


def test_an_optimizer_of_another_model_is_refused():
    optimizer = keras.optimizers.Adam()
    sagan().compile(optimizer)
    words = "its own optimizer. Received: one that was built for other weights"
    with pytest.raises(BadInput, match=words):
        sagan().compile(optimizer)


@pytest.mark.parametrize("steps", [0, 1.5, "auto"])
def test_steps_per_execution_are_a_number(steps):
    with pytest.raises(BadInput, match="steps_per_execution must be an int"):
        sagan().compile(steps_per_execution=steps)


@pytest.mark.parametrize("options", [{"metrics": ["mse"]}, {"optimizer": "adam"}])
def test_what_compile_has_in_keras_alone_is_refused(options):
    with pytest.raises(ValueError, match=f"Received: .*{next(iter(options))}.* Try"):
        sagan().compile(**options)


def test_an_optimizer_that_averages_is_refused():
    with pytest.raises(ValueError, match="use_ema=True"):
        sagan().compile("adam", keras.optimizers.Adam(use_ema=True))


def unlike(**options):
    """A discriminator that is not like the generator."""
    common = {"num_classes": CLASSES, "channels": 2, "image_channels": 1, **options}
    resolution = common.pop("resolution", 32)
    return build_discriminator(resolution, attention_resolution=(16,), **common)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 64}, "images .*32, 32, 1.* and .*64, 64, 1.* same resolution"),
        ({"image_channels": 3}, "32, 32, 1.* and .*32, 32, 3"),
        ({"num_classes": 5}, r"num_classes. Received: \[3\] in the generator, 5"),
        ({"num_classes": 5, "head": "auxiliary_classifier"}, r"\[3\] .*, 5 in"),
    ],
)
def test_networks_that_do_not_fit_one_another_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SAGAN(networks()[0], unlike(**options))


def test_labels_to_generate_are_ints_of_any_type():
    model, z = sagan(), np.ones((2, 5), "float32")
    expected, sampled = model.generate(z, [2, 0]), model.sample(2, [2, 0])
    for labels in (
        *(tf.constant([2, 0], dtype) for dtype in (tf.int64, tf.uint8)),
        *(np.array([2, 0]), np.array([[2], [0]], "uint16")),
    ):
        np.testing.assert_array_equal(model.generate(z, labels), expected)
        np.testing.assert_array_equal(model.sample(2, labels), sampled)


def test_other_labels_to_generate_are_one_line():
    model, z = sagan(), np.ones((2, 5), "float32")
    ragged = [[1], [2, 0]]
    for wrong in (
        *([0.5, 1.0], np.eye(3)[:2], [0, 1, 2], [0, 3], 1.5, [True, False], ragged),
    ):
        for call in (model.generate, model.sample):
            with pytest.raises(ValueError, match="labels must be .* Received: .* Try"):
                call(z if call == model.generate else 2, wrong)


def test_what_cannot_be_drawn_is_one_line():
    model = sagan()
    z = np.ones((2, 5), "float32")
    for wrong in (
        *(z[:, :4], z[:0], z[0], z * np.nan, z * np.inf),
        *(z.astype(str), z.astype(complex), z.astype(object), [[1.0], [2.0, 3.0]]),
        *("abc", None),
    ):
        with pytest.raises(BadInput, match="z must .* Received: .* Try"):
            model.generate(wrong, [0, 0])
    for name, values in {
        "count": (0, -1, 2.5, "3", None),
        "seed": (0.5, "a", 2**63, None),
        "truncation": (-0.1, 101, np.nan, np.inf, "1"),
    }.items():
        for value in values:
            with pytest.raises(BadInput, match=f"^{name} must .* Received: .* Try"):
                model.sample(**{"count": 2, name: value})
    with pytest.raises(BadInput, match="seed must be an int"):
        sagan(seed="a")
    same = keras.optimizers.Adam()
    with pytest.raises(BadInput, match="its own optimizer"):
        model.compile(same, same)


def test_a_model_that_was_not_compiled_can_be_cloned():
    clone = keras.models.clone_model(SAGAN(*networks()))
    assert not clone.compiled
    assert clone.generator.count_params() == networks()[0].count_params()


def test_sizes_are_read_from_the_networks():
    model = SAGAN(*networks())
    assert (model.z_dim, model.num_classes) == (5, CLASSES)
    assert SAGAN(*networks(None)).num_classes is None


@pytest.mark.slow
def test_fit_without_classes():
    model = sagan(num_classes=None)
    model.run_eagerly = True
    model.fit(endless(None), steps_per_epoch=2, verbose=0)
    assert int(model.step) == 2


@pytest.mark.slow
@pytest.mark.parametrize("discriminator_steps", [1, 2])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_number_of_updates(discriminator_steps, accumulate):
    model = sagan(
        discriminator_steps=discriminator_steps, gradient_accumulation_steps=accumulate
    )
    model.train_step(data(4 * discriminator_steps * accumulate))
    assert int(model.generator_optimizer.iterations) == 1
    assert int(model.discriminator_optimizer.iterations) == discriminator_steps


def test_each_discriminator_step_sees_its_own_part_of_the_batch():
    # With a zero learning rate, the mean real logit tells which images were seen.
    model = sagan(discriminator_steps=2)
    seen = []
    model.discriminator_step = lambda passes: seen.append(passes) or tf.constant(0.0)
    images, labels = data(8)
    model.train_step((images, labels))
    parts = [part for _, part in seen[0] + seen[1]]
    np.testing.assert_array_equal(tf.concat([p[0] for p in parts], 0), images)
    np.testing.assert_array_equal(tf.concat([p[1] for p in parts], 0), labels)
    draws = [draw for draw, _ in seen[0] + seen[1]]
    assert draws == [1, 2]


class NumberedLatents(SAGAN):
    """z and labels of pass n are rows n * count and on of one fixed table."""

    def draw_latents(self, draw, count, real_labels=None, pairs=False):
        rows = np.arange(draw * count, (draw + 1) * count)
        z = np.random.default_rng(0).normal(size=(64, 5)).astype("float32")
        return tf.constant(z[rows]), tf.constant(rows % CLASSES, tf.int32)


def plain_generator():
    """A generator without batch statistics."""
    z, labels = keras.Input((5,)), keras.Input((), dtype="int32")
    x = keras.layers.Embedding(CLASSES, 5)(labels) + z
    x = keras.layers.Dense(32 * 32, activation="tanh")(x)
    return keras.Model([z, labels], keras.layers.Reshape((32, 32, 1))(x))


class SummedGradients(NumberedLatents):
    """A wrong SAGAN: gradients of micro-batches are summed, not averaged."""

    def _scaled(self, loss, optimizer):
        return loss


def trained_in_parts(parts, kind=NumberedLatents, policy="float64", batch=8):
    """Trains without batch norm and u, which see micro-batches by definition.

    Three steps in float64. In float32 one: the first one's rounding errors grow.

    Returns:
        The model, its logs, and the gradients of all updates.
    """
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    discriminator = build_discriminator(
        32, CLASSES, 2, 1, attention_resolution=(16,), spectral_norm=False
    )
    model = kind(
        plain_generator(),
        discriminator,
        num_classes=CLASSES,
        gradient_accumulation_steps=parts,
        mode_seeking_weight=0.5,
        mode_seeking_distance=2.0,
    )
    # Not Adam, which divides the size of the gradient out.
    model.compile(sgd(), sgd())
    gradients, steps = [], 3 if policy == "float64" else 1
    for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
        optimizer.apply = _recording(optimizer.apply, gradients)
    logs = [model.train_step(data(batch, seed=step)) for step in range(steps)]
    return model, logs, gradients


def _recording(apply, gradients):
    def recorded(values, variables):
        gradients.append([value.numpy() for value in values])
        apply(values, variables)

    return recorded


def assert_close(one, other, name="", tolerance=1e-5):
    """Equal, up to a part of the largest value (of 0.1, if all are smaller)."""
    one, other = np.asarray(one), np.asarray(other)
    allowed = tolerance * max(np.abs(one).max(), 0.1)
    np.testing.assert_allclose(one, other, tolerance, allowed, err_msg=name)


@functools.cache
def trained_as_a_whole(policy):
    return trained_in_parts(1, policy=policy)


@pytest.mark.slow
@pytest.mark.parametrize("parts", [2, 4])
@pytest.mark.parametrize(
    ("policy", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)]
)
def test_accumulated_gradients_are_those_of_the_large_batch(parts, policy, tolerance):
    whole, whole_logs, whole_gradients = trained_as_a_whole(policy)
    model, logs, gradients = trained_in_parts(parts, policy=policy)
    assert len(gradients) == len(whole_gradients) == 2 * len(logs)
    for update, (ones, others) in enumerate(zip(whole_gradients, gradients)):
        assert max(np.abs(one).max() for one in ones) > 0.01
        for one, other in zip(ones, others, strict=True):
            assert_close(one, other, f"update {update}", tolerance)
    for name, item in whole.checkpoint_items().items():
        other = model.checkpoint_items()[name]
        for a, b in zip(*(getattr(x, "variables", [x]) for x in (item, other))):
            assert_close(a, b, f"{name}: {b.path}", tolerance)
    for one, other in zip(whole_logs, logs, strict=True):
        assert_close(list(one.values()), list(other.values()))


def test_summed_gradients_are_not_those_of_the_large_batch():
    _, _, means = trained_as_a_whole("float32")
    _, _, sums = trained_in_parts(2, SummedGradients, policy="float32")
    for one, other in zip(means[0], sums[0], strict=True):
        assert_close(2 * one, other)
        with pytest.raises(AssertionError):
            assert_close(one, other)


@pytest.mark.slow
def test_accumulation_has_batch_norm_statistics_and_u_of_each_micro_batch():
    # Without memory, the moving statistics are those of the last pass.
    options = {"batch_norm_momentum": 0.0, "final_batch_norm_momentum": 0.0}
    model, twin, whole = (sagan(network_options=options) for _ in range(3))
    model.generator_step(passes(model, 2))
    for draw in range(2):
        twin.generator(list(twin.draw_latents(draw, BATCH)), training=True)
    whole.generator(list(whole.draw_latents(0, 2 * BATCH)), training=True)
    for ours, theirs, other in zip(
        *(m.generator.non_trainable_variables for m in (model, twin, whole))
    ):
        assert_close(ours, theirs, ours.path)
        if ours.name in ("moving_mean", "moving_variance"):
            assert np.abs(ours - other).max() > 1e-3, ours.path
        if ours.path == "block_8x8/convolution_1/u":
            assert np.abs(ours - other).max() > 1e-3, "u has moved twice"


def everywhere(strategy, variable):
    """A variable's values on all replicas: list of arrays."""
    return [x.numpy() for x in strategy.experimental_local_results(variable.value)]


def assert_replicas_agree(strategy, model):
    """u, moving statistics, EMA, optimizers and all else are equal, bit for bit.

    Returns:
        Dict of name to value.
    """
    found = {}
    for name, item in model.checkpoint_items().items():
        for number, variable in enumerate(getattr(item, "variables", [item])):
            name_of_it = f"{name}/{number}/{variable.path}"
            first, second = everywhere(strategy, variable)
            np.testing.assert_array_equal(first, second, err_msg=name_of_it)
            found[name_of_it] = first
    return found


def three_batches():
    dataset = tf.data.Dataset.from_tensor_slices(data(3 * 2 * BATCH))
    return dataset.batch(2 * BATCH, drop_remainder=True)


@pytest.mark.slow
@pytest.mark.parametrize("head", ["projection", "auxiliary_classifier"])
def test_two_replicas_make_the_same_updates_as_one(two_replicas, head):
    options = {
        # The last moving variance is that of as many images as a replica has, over
        # their number less one: without correction that is a thousandth of it.
        "network_options": {
            **{"cross_replica_batch_norm": True, "head": head},
            "batch_norm_debias": False,
            # With seed 0 a ReLU of D is at its kink, and rounding decides.
            "seed": 2,
        },
        **{"ema_decay": 0.5, "ema_start_step": 1},
    }
    # Tracing takes longest: one of the two heads is enough to see what it changes.
    eagerly = {"run_eagerly": head == "auxiliary_classifier"}
    make = varied if head == "projection" else sagan
    single = make(**options)
    single.compile(sgd(), sgd(), **eagerly)
    start = state(single)
    logs = single.fit(three_batches(), verbose=0, shuffle=False).history
    with two_replicas.scope():
        model = make(**options)
        model.compile(sgd(), sgd(), **eagerly)
    both_logs = model.fit(three_batches(), verbose=0, shuffle=False).history

    values = assert_replicas_agree(two_replicas, model)
    for kind in ("/u", "moving_variance", "ema_generator", "momentum", "iteration"):
        assert any(kind in name for name in values), kind
    for one, (name, other) in zip(state(single), values.items(), strict=True):
        np.testing.assert_allclose(one, other, 1e-5, 1e-5, err_msg=name)
    moved_far = [np.abs(a - b).max() > 1e-3 for a, b in zip(start, state(single))]
    assert sum(moved_far) > 0.7 * len(moved_far)
    for name, expected in logs.items():
        np.testing.assert_allclose(both_logs[name], expected, 1e-4, 1e-7, err_msg=name)


@pytest.mark.slow
def test_replicas_agree_with_statistics_and_adam_of_their_own(two_replicas):
    with two_replicas.scope():
        model = sagan(ema_decay=0.5)
    model.run_eagerly = True
    model.fit(three_batches(), verbose=0, shuffle=False)
    values = assert_replicas_agree(two_replicas, model)
    # Outside of the replicas a variable of both is no number.
    gammas = [float(gamma) for gamma in model.gammas().values()]
    assert len(gammas) == 2 and np.all(gammas)
    assert any("velocity" in name for name in values)
    assert values[next(name for name in values if name.startswith("step/"))] == 3


@pytest.mark.slow
def test_replicas_with_statistics_of_their_own_make_another_update(two_replicas):
    # So the comparison above sees whether statistics are shared.
    single = sagan()
    single.compile(sgd(), sgd())
    single.generator_step([(0, data(2 * BATCH))])
    with two_replicas.scope():
        model = sagan()
        model.compile(sgd(), sgd())
    two_replicas.run(lambda: model.generator_step([(0, data(BATCH))]))
    differences = [
        np.abs(one - everywhere(two_replicas, both)[0]).max()
        for one, both in zip(
            single.generator.trainable_variables, model.generator.trainable_variables
        )
    ]
    assert max(differences) > 1e-3


@pytest.mark.slow
def test_noise_does_not_depend_on_the_number_of_replicas(two_replicas):
    model = sagan()
    model.step.assign(7)
    z, labels = model.draw_latents(1, 2 * BATCH)
    with two_replicas.scope():
        spread = sagan()
        spread.step.assign(7)
    parts = two_replicas.run(lambda: spread.draw_latents(1, BATCH))
    for part, whole in zip(parts, (z, labels), strict=True):
        local = two_replicas.experimental_local_results(part)
        np.testing.assert_array_equal(tf.concat(local, 0), whole)


def test_generator_and_discriminator_step_draw_anew():
    model = sagan()
    draws = [model.draw_latents(draw, 64) for draw in (0, 1)]
    model.step.assign(1)
    draws.append(model.draw_latents(0, 64))
    for i in range(3):
        for j in range(i):
            assert np.all(draws[i][0] != draws[j][0])
            assert np.any(draws[i][1] != draws[j][1])


def test_fake_labels_from_the_data_have_the_frequencies_of_the_batch():
    model = sagan(fake_labels="data")
    real = tf.constant([2] * 90 + [0] * 10, tf.int32)
    _, labels = model.draw_latents(0, 100, real)
    counts = np.bincount(labels, minlength=CLASSES)
    assert counts[1] == 0
    assert 80 < counts[2] < 100


def test_uniform_fake_labels_do_not_look_at_the_data():
    _, labels = sagan().draw_latents(0, 300, tf.zeros([300], tf.int32))
    assert np.bincount(labels, minlength=CLASSES).min() > 70


def test_an_adaptive_augmentation_follows_the_signs_of_the_real_logits():
    model = varied()
    logs = model.train_step(data())
    # Of four images in twenty.
    assert abs(float(model.augmentation.probability) - 0.5) == pytest.approx(0.2)
    assert float(logs["augment_probability"]) == float(model.augmentation.probability)


@pytest.mark.slow
def test_ema_copies_before_its_start_and_averages_after():
    model = sagan(ema_decay=0.75, ema_start_step=2)
    name = "image_convolution"
    average = model.ema_generator.get_layer(name)
    live = model.generator.get_layer(name)
    for _ in range(2):
        model.train_step(data())
        np.testing.assert_array_equal(average.weight, live.weight)
    before = live.weight.numpy()
    model.train_step(data())
    expected = 0.75 * before + 0.25 * live.weight.numpy()
    np.testing.assert_allclose(average.weight, expected, rtol=1e-6)
    np.testing.assert_array_equal(average.u, live.u)
    moving = [
        n.get_layer("batch_norm").moving_mean
        for n in (model.ema_generator, model.generator)
    ]
    assert np.any(moving[0].numpy() != moving[1].numpy())


@pytest.mark.slow
def test_generate_uses_the_average_unless_told_otherwise():
    model = sagan(ema_decay=0.9)
    model.train_step(data())
    model.train_step(data())
    z, labels = np.ones((2, 5), "float32"), [0, 2]
    averaged, live = model.generate(z, labels), model.generate(z, labels, ema=False)
    np.testing.assert_array_equal(
        averaged, model.ema_generator([tf.constant(z), tf.constant(labels)])
    )
    assert np.any(averaged != live)


@pytest.mark.slow
def test_image_17_does_not_depend_on_batch_size():
    model = sagan()
    many = model.sample(20, labels=1, seed=4)
    few = model.sample(18, labels=1, seed=4)
    np.testing.assert_allclose(many[17], few[17], atol=1e-6)
    other = model.sample(18, labels=1, seed=5)
    assert np.abs(few - other).max() > 0.01


def test_generate_moves_nothing():
    model = sagan()
    before = snapshot(model)
    first = model.sample(3)
    np.testing.assert_array_equal(first, model.sample(3))
    assert not moved(model.variables, before)


@pytest.mark.slow
def test_first_nonfinite_step_is_noted_and_kept():
    model = sagan()
    model.train_step(data())
    images, labels = data()
    model.train_step((images * np.nan, labels))
    model.train_step(data())
    assert int(model.first_nonfinite_step) == 2


def one_bad_pixel(model, images):
    return tf.tensor_scatter_nd_update(images, [[1, 5, 5, 0]], [np.nan])


def one_bad_weight(model, images):
    kernel = model.discriminator.get_layer("block_1").convolution_1.weight
    kernel.assign(tf.tensor_scatter_nd_update(kernel.value, [[0, 0, 0, 0]], [np.inf]))
    return images


def one_bad_statistic(model, images):
    statistic = model.generator.non_trainable_variables[-1]
    statistic.assign(tf.fill(statistic.shape, np.nan))
    return images


@pytest.fixture(scope="module", params=[False, True], ids=["graph", "XLA"])
def after_a_step(request):
    """A model whose step is compiled once for several tests; its state after a step."""
    model = sagan()
    model.jit_compile = request.param
    model.train_on_batch(*data())
    return model, state(model)


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [one_bad_pixel, one_bad_weight, one_bad_statistic])
def test_whatever_is_not_finite_is_noted_in_its_step(spoil, after_a_step):
    """Also where the losses stay finite, as after a ReLU of oneDNN."""
    model, before = after_a_step
    for variable, value in zip(changing(model), before, strict=True):
        variable.assign(value)
    images, labels = data()
    assert int(model.first_nonfinite_step) == -1
    model.train_on_batch(spoil(model, images), labels)
    assert int(model.first_nonfinite_step) == 2


def test_a_copy_of_ac_gan_has_the_same_head_and_weight():
    model = SAGAN(*networks(head="auxiliary_classifier"), class_loss_weight=0.5)
    copy = SAGAN.from_config(model.get_config())
    assert (copy.class_loss_weight, copy.num_classes) == (0.5, CLASSES)
    assert copy.discriminator.output_shape == (None, 1 + CLASSES)
    assert [metric.name for metric in copy.metrics] == [
        metric.name for metric in model.metrics
    ]


@pytest.mark.slow
def test_saved_model_goes_on_as_the_original(tmp_path):
    model = varied(ema_decay=0.9)
    model.fit(endless(), steps_per_epoch=2, verbose=0)
    model.save(tmp_path / "sagan.keras")
    loaded = keras.models.load_model(tmp_path / "sagan.keras")
    assert_same(model, loaded)
    for each in (model, loaded):
        each.fit(endless(), steps_per_epoch=2, verbose=0)
    assert_same(model, loaded)


FROZEN = {"freeze_discriminator_blocks": 2}


def frozen_parts(model):
    """The variables of the layers up to the second block, and those behind it."""
    names = ("images", "block_1", "attention_16x16", "block_2")
    parts = ([], [])
    for layer in model.discriminator.layers:
        parts[layer.name not in names].extend(layer.variables)
    return parts


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_frozen_blocks_stay_bit_for_bit_and_all_others_move(policy, accumulate):
    keras.config.set_dtype_policy(policy)
    model = sagan(gradient_accumulation_steps=accumulate, **FROZEN)
    if policy == "mixed_float16":
        # The default scale overflows at first, which skips steps.
        scaled = (keras.optimizers.LossScaleOptimizer(sgd(), 128.0) for _ in range(2))
        model.compile(*scaled)
    frozen, trained = frozen_parts(model)
    before = snapshot(model)
    for _ in range(3):  # Until gamma lets gradients through the attention.
        model.train_step(data())
    assert len(frozen) > 10 and not moved(frozen, before)
    # The `u` of one value is 1 or -1.
    still = [v for v in trained if v.shape != (1, 1)]
    assert len(moved(trained, before)) >= len(still)
    assert moved(model.generator.trainable_variables, before)


@pytest.mark.slow
def test_frozen_blocks_leave_the_generators_step_and_the_other_gradients_alone():
    """A layer that is not trained is the same function, forward and backward."""
    one, other = sagan(), sagan(**FROZEN)
    for model in (one, other):
        model.train_step(data())
    for a, b in zip(one.generator.variables, other.generator.variables, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=a.path)
    for a, b in zip(*(frozen_parts(model)[1] for model in (one, other)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6, err_msg=a.path)


@pytest.mark.slow
def test_a_saved_model_with_frozen_blocks_goes_on_as_the_original(tmp_path):
    model = sagan(**FROZEN)
    model.fit(endless(), steps_per_epoch=2, verbose=0)
    model.save(tmp_path / "sagan.keras")
    loaded = keras.models.load_model(tmp_path / "sagan.keras")
    assert_same(model, loaded)
    before = snapshot(loaded)
    for each in (model, loaded):
        each.fit(endless(), steps_per_epoch=2, verbose=0)
    assert_same(model, loaded)
    assert not moved(frozen_parts(loaded)[0], before)
    count = len(model.discriminator.trainable_variables)
    # Two moments of each weight, the number of updates and the learning rate.
    assert len(loaded.discriminator_optimizer.variables) == 2 * count + 2


def test_more_frozen_blocks_than_there_are_is_refused():
    with pytest.raises(BadInput, match="from 0 to 4"):
        sagan(freeze_discriminator_blocks=5)


@pytest.mark.slow
def test_checkpoint_goes_on_as_the_original(tmp_path):
    model, resumed = varied(ema_decay=0.9), varied(ema_decay=0.9)
    model.run_eagerly = resumed.run_eagerly = True
    resumed.augmentation.probability.assign(0.0)
    model.fit(endless(), steps_per_epoch=2, verbose=0)
    path = tf.train.Checkpoint(**model.checkpoint_items()).write(str(tmp_path / "c"))
    status = tf.train.Checkpoint(**resumed.checkpoint_items()).read(path)
    status.assert_consumed()
    assert_same(model, resumed)
    for each in (model, resumed):
        each.fit(endless(), steps_per_epoch=2, verbose=0)
    assert_same(model, resumed)


def test_float16_wraps_both_optimizers():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = sagan()
    finally:
        keras.config.set_dtype_policy("float32")
    for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def test_float16_is_that_of_the_networks():
    keras.config.set_dtype_policy("mixed_float16")
    halves = networks()
    keras.config.set_dtype_policy("float32")
    for made, is_wrapped in ((halves, True), (networks(), False)):
        model = SAGAN(*made, num_classes=CLASSES)
        model.compile()
        for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
            wrapper = keras.optimizers.LossScaleOptimizer
            assert isinstance(optimizer, wrapper) == is_wrapped


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_weights_of_16_bits_are_refused(dtype):
    keras.config.set_dtype_policy(dtype)
    model = SAGAN(*networks(), num_classes=CLASSES)
    with pytest.raises(BadInput, match=rf"{dtype}\. Try .*mixed_{dtype}'"):
        model.compile()


def test_float16_trains_both_networks():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = SAGAN(
            *networks(),
            num_classes=CLASSES,
            augmentation=Augmentation(["translation"]),
            **VARIETY,
        )
        model.compile(
            # The default scale overflows at first, which skips steps.
            *[keras.optimizers.LossScaleOptimizer(sgd(), 128.0) for _ in range(2)]
        )
        before = snapshot(model)
        logs = model.train_step(data())
    finally:
        keras.config.set_dtype_policy("float32")
    assert all(np.isfinite(float(value)) for value in logs.values())
    for network in (model.generator, model.discriminator):
        kernels = [w for w in network.trainable_variables if w.name == "kernel"]
        still = {id(w) for w in kernels} - {id(w) for w in moved(kernels, before)}
        attention = [x for x in network.layers if isinstance(x, SelfAttention)][0]
        # Nothing reaches the attention's convolutions while gamma is 0.
        assert still == {id(w) for w in attention.trainable_weights[1:]}


def dense(logits):
    """Networks without convolutions, D with so many logits."""
    image, z = keras.Input((2, 2, 1)), keras.Input((3,))
    fake = keras.layers.Reshape((2, 2, 1))(keras.layers.Dense(4)(z))
    logits = keras.layers.Dense(logits)(keras.layers.Flatten()(image))
    return keras.Model(z, fake), keras.Model(image, logits)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: SAGAN(networks()[0], networks(None)[1]),
            "must have 1 .*input.*Received: 2",
        ),
        (lambda: SAGAN(*networks(), num_classes=7), "discriminator, 3"),
        (lambda: SAGAN(*networks(), num_classes=0), "must have 1 .*input.*Received: 2"),
        (lambda: sagan(fake_labels="real"), "uniform, data"),
        (lambda: sagan(loss="bce"), "hinge, kl"),
        (lambda: sagan(discriminator_steps=0), "at least 1"),
        (lambda: sagan(discriminator_steps=1.5), r"ints .* \(1.5, 1\)"),
        (lambda: sagan(gradient_accumulation_steps="2"), r"ints .* \(1, '2'\)"),
        (lambda: sagan(ema_start_step=float("nan")), "ema_start_step .* nan"),
        (lambda: sagan(ema_decay="0.9"), "between 0 and 1.* 0.9"),
        (lambda: sagan(augmentation="translation"), "Augmentation.* 'translation'"),
        (lambda: SAGAN(networks()[0], None), "Functional .* Received: .* NoneType"),
        (lambda: SAGAN(keras.Sequential(), keras.Model()), "Functional .* Sequential"),
        (lambda: SAGAN(*dense(5)), r"one logit per image, .* Received: \(None, 5\)"),
        (lambda: sagan(ema_decay=1.0), "between 0 and 1"),
        (lambda: sagan(class_loss_weight=-1.0), "at least 0. Received: -1.0"),
        (lambda: sagan(mode_seeking_weight=-1.0), r"Received: \(-1.0, 0.4\)"),
        (lambda: sagan(mode_seeking_distance=0.0), r"Received: \(0.0, 0.0\)"),
        (lambda: sagan(mode_seeking_weight="2"), r"Received: \('2', 0.4\)"),
        (lambda: sagan(mode_seeking_distance=None), r"Received: \(0.0, None\)"),
        (lambda: sagan(class_loss_weight=None), "class_loss_weight .* Received: None"),
        (lambda: SAGAN(*networks(head="auxiliary_classifier"), num_classes=7), "or, 3"),
        (lambda: sagan(**AC_GAN).train_step(data(num_classes=None)), "images alone"),
        (lambda: SAGAN(*networks(), z_dim=6, num_classes=CLASSES), "5. Received"),
        (lambda: sagan().generate(np.ones((1, 5))), "with labels"),
        (lambda: sagan().generate(np.ones((1, 5)), [3]), r"\[0, 3\)"),
        (lambda: sagan(discriminator_steps=2).train_step(data(3)), "multiple of"),
        (lambda: sagan().train_step(data(num_classes=None)), "images alone"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
