"""Figures of a training's health, and what is said about them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sagan_tf import SAGAN, build_discriminator, build_generator
from sagan_tf.layers import SpectralNormalization
from sagan_tf.training import complaints, examiner
from tests.training.complaints_test import good, kinds

COUNT = 4


def make_model(classes=3, generator=None, **options):
    common = {"resolution": 32, "num_classes": classes, "attention_resolution": (16,)}
    model = SAGAN(
        build_generator(
            channels=2, z_dim=5, image_channels=1, **common, **(generator or {})
        ),
        build_discriminator(channels=2, image_channels=1, **common, **options),
    )
    model.compile()
    return model


def make_batch(classes=3):
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, COUNT).astype("int32") if classes else None
    return examiner.FixedBatch(
        random.uniform(-1, 1, (COUNT, 32, 32, 1)).astype("float32"),
        labels,
        random.normal(size=(COUNT, 5)).astype("float32"),
    )


def examine_in_a_graph(model, batch):
    return examiner.Examiner(model, batch).examine()


def examine(model, batch):
    """The same, operation by operation: tracing takes five times as long."""
    arrays = batch.images, batch.labels, batch.z
    # TensorFlow makes tensors of what a graph is given.
    batch = examiner.FixedBatch(*(a if a is None else tf.constant(a) for a in arrays))
    tf.config.run_functions_eagerly(True)
    try:
        return examine_in_a_graph(model, batch)
    finally:
        tf.config.run_functions_eagerly(False)


def diversity(model, batch):
    return examiner.Examiner(model, batch).variety()["diversity"]


@pytest.mark.slow
@pytest.mark.parametrize("classes", [3, 0])
def test_a_look_changes_nothing(classes):
    model, batch = make_model(classes), make_batch(classes)
    before = [variable.numpy() for variable in model.variables]
    examine_in_a_graph(model, batch)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value, err_msg=variable.path)


@pytest.mark.slow
def test_two_looks_at_the_same_model_see_the_same():
    model, batch = make_model(), make_batch()
    one, other = (examine(model, batch) for _ in range(2))
    assert one == other


@pytest.mark.slow
def test_gradient_norms_are_those_of_the_losses():
    model, batch = make_model(), make_batch()
    figures = examine(model, batch)
    with tf.GradientTape() as tape:
        loss = model.generator_loss(*map(tf.constant, (batch.z, batch.labels)))
    gradients = tape.gradient(loss, model.generator.trainable_variables)
    assert figures["gradient_norm_g"] == pytest.approx(
        float(tf.linalg.global_norm(gradients)), rel=1e-3
    )
    assert figures["gradient_norm_d"] > 0


@pytest.mark.slow
def test_logit_gap_is_real_minus_fake():
    model, batch = make_model(), make_batch()
    before = examine(model, batch)["logit_gap"]
    # A discriminator that adds the same to all logits tells them apart as before.
    model.discriminator.get_layer("projection_head").linear.layer.bias.assign([5.0])
    assert examine(model, batch)["logit_gap"] == pytest.approx(before, abs=1e-4)


@pytest.mark.slow
def test_sigma_is_one_when_the_power_iteration_has_converged():
    model, batch = make_model(), make_batch()

    @tf.function
    def iterate():
        for network in (model.generator, model.discriminator):
            for layer in network._flatten_layers():
                if isinstance(layer, SpectralNormalization):
                    layer.normalized_weight(update_u=True)

    for _ in range(300):
        iterate()
    figures = examine(model, batch)
    names = [name for name in figures if name.startswith("sigma")]
    assert len(names) == 31
    # Singular values that are close take longer to be told apart.
    assert min(figures[name] for name in names) > 0.97
    assert max(figures[name] for name in names) < 1.001


@pytest.mark.slow
def test_a_generator_that_ignores_z_has_no_diversity():
    model, batch = make_model(), make_batch()
    assert diversity(model, batch) > 1e-3
    model.generator.get_layer("linear").layer.kernel.assign(
        tf.zeros_like(model.generator.get_layer("linear").layer.kernel)
    )
    assert diversity(model, batch) < 1e-5


def test_diversity_is_that_of_fakes_with_one_label():
    # One picture per class: varied over classes, the same for every z.
    model, batch = make_model(), make_batch()
    generator = model.generator
    generator.get_layer("linear").layer.kernel.assign(
        tf.zeros_like(generator.get_layer("linear").layer.kernel)
    )
    beta = generator.get_layer("block_8x8").batch_norm_1.beta
    beta.assign(np.random.default_rng(1).normal(size=beta.shape))
    own_labels, _ = examiner.distances(model.generate(batch.z, [0, 1, 2, 0]).numpy())
    assert own_labels > 1e-3
    assert diversity(model, batch) < 1e-5


@pytest.mark.slow
def test_diversity_sees_a_collapse_of_some_of_the_labels():
    model = make_model(classes=2)
    random = np.random.default_rng(0)
    generator = model.generator
    for block in (generator.get_layer("block_8x8"), generator.get_layer("block_32x32")):
        for table in (block.batch_norm_2.gamma, block.batch_norm_2.beta):
            table.assign(random.normal(size=table.shape))
    z = random.normal(size=(16, 5)).astype("float32")
    images = random.uniform(-1, 1, (16, 32, 32, 1)).astype("float32")

    def of(labels):
        batch = examiner.FixedBatch(images, np.array(labels, "int32"), z)
        return diversity(model, batch)

    one, other = of([0] * 16), of([1] * 16)
    assert one != pytest.approx(other, rel=1e-2)
    # Half of the fakes are of the first label, half of the ninth.
    mixed = of([0] * 8 + [1] * 8)
    assert min(one, other) < mixed < max(one, other)


def test_distances_are_those_of_block_means():
    images = np.zeros((3, 32, 32, 1))
    images[1, :4, :4] = 3.0  # One block of 8 x 8.
    images[2, :4, :2] = 6.0  # The same mean in it.
    # Distances 3, 3 and 0; to the nearest 3, 0 and 0.
    assert examiner.distances(images) == pytest.approx((2.0, 1.0))


def test_a_few_pictures_for_all_z_are_seen_by_the_nearest(monkeypatch):
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (32, 32, 32, 1)).astype("float32")
    model, batch = make_model(), examiner.make_fixed_batch(images, [0] * 32, z_dim=5)

    def draw(which):
        monkeypatch.setattr(
            model, "generate", lambda z, labels, ema: tf.constant(images[which])
        )
        return examiner.Examiner(model, batch).variety()

    many = draw(np.arange(32))
    assert many == pytest.approx({"diversity": 1.0, "nearest": 1.0}, abs=0.15)
    # Each of two pictures comes twice or more among eight fakes.
    two = draw(np.arange(32) % 2)
    assert two["diversity"] > 0.4 and two["nearest"] == 0
    found = [good(**variety) for variety in (many, two)]
    assert [kinds(figures, [good()] * 3) for figures in found] == [[], ["nearest"]]


def test_an_auxiliary_classifier_is_looked_at_too():
    model = make_model(head="auxiliary_classifier")
    assert np.isfinite(list(examine(model, make_batch()).values())).all()


def test_a_discriminator_that_has_died_leaves_no_gradient():
    model, batch = make_model(), make_batch()
    assert examine(model, batch)["gradient_norm_g"] > complaints.LEAST_GRADIENT
    # What its last ReLU sees is below 0 everywhere.
    block = model.discriminator.get_layer("block_4")
    for convolution in (block.convolution_1, block.convolution_2):
        convolution.layer.kernel.assign(tf.zeros_like(convolution.layer.kernel))
    block.convolution_2.layer.bias.assign(
        tf.fill(block.convolution_2.layer.bias.shape, -1e6)
    )
    figures = examine(model, batch)
    assert "vanished" in kinds(figures, [good()] * 3)
    # At the beginning it may be so for a while.
    assert "vanished" not in kinds(figures, [good()] * 2)


@pytest.mark.parametrize("count", [9, 2])
def test_groups_need_not_be_full(count):
    images = np.random.default_rng(0).uniform(-1, 1, (count, 32, 32, 1))
    labels = np.arange(count) % 3
    batch = examiner.make_fixed_batch(images, labels, z_dim=5)
    figures = examine(make_model(), batch)
    assert np.isfinite(list(figures.values())).all()
    assert batch.z.shape == (count, 5) and batch.labels.dtype == np.int32


def test_one_picture_is_nothing_to_compare():
    with pytest.raises(ValueError, match="at least 2 images"):
        examiner.make_fixed_batch(np.zeros((1, 32, 32, 1)))


@pytest.mark.slow
def test_the_tables_of_every_block_are_looked_at():
    model = make_model(generator={"normalize_tables": True})
    names = [n for n in examine(model, make_batch()) if n.endswith("gain")]
    blocks = ("block_8x8", "block_16x16", "block_32x32")
    assert sorted(names) == sorted(
        f"sigma_generator/{block}/batch_norm_{i}/gain"
        for block in blocks
        for i in (1, 2)
    )


@pytest.mark.slow
@pytest.mark.parametrize("synchronized", [False, True])
def test_two_replicas_are_looked_at_like_one(two_replicas, synchronized):
    options = {"cross_replica_batch_norm": synchronized}
    alone, batch = make_model(generator=options), make_batch()
    with two_replicas.scope():
        model = make_model(generator=options)
    for variable, other in zip(model.variables, alone.variables, strict=True):
        variable.assign(other.numpy())
    before = [variable.numpy() for variable in model.variables]
    found = examine_in_a_graph(model, batch)
    assert found == pytest.approx(examine(alone, batch), rel=1e-4)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value, err_msg=variable.path)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_is_looked_at_too(policy):
    keras.config.set_dtype_policy(policy)
    model, batch = make_model(), make_batch()
    figures = examine(model, batch)
    assert np.isfinite(list(figures.values())).all()
    assert figures["gradient_norm_g"] > 0
