"""Figures of a training's health, and what is said about them."""

import numpy as np
import pytest
import tensorflow as tf

from sagan_tf import SAGAN, build_discriminator, build_generator, health

COUNT = 4


def make_model(classes=3, **options):
    common = {"resolution": 32, "num_classes": classes, "attention_resolution": (16,)}
    model = SAGAN(
        build_generator(channels=2, z_dim=5, image_channels=1, **common),
        build_discriminator(channels=2, image_channels=1, **common, **options),
    )
    model.compile()
    return model


def make_batch(classes=3):
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, COUNT).astype("int32") if classes else None
    return health.FixedBatch(
        random.uniform(-1, 1, (COUNT, 32, 32, 1)).astype("float32"),
        labels,
        random.normal(size=(COUNT, 5)).astype("float32"),
    )


def examine(model, batch):
    return health.Examiner(model, batch).examine()


def good(**changes):
    """Figures that nobody complains of."""
    return {
        **{"diversity": 0.6, "logit_gap": 1.5, "sigma_generator/linear": 0.99},
        **{"gradient_norm_g": 2.0, "gradient_norm_d": 3.0},
        **changes,
    }


def kinds(figures, earlier=()):
    return [each.kind for each in health.complaints(figures, earlier)]


@pytest.mark.parametrize("classes", [3, 0])
def test_a_look_changes_nothing(classes):
    model, batch = make_model(classes), make_batch(classes)
    before = [variable.numpy() for variable in model.variables]
    examine(model, batch)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value, err_msg=variable.path)


def test_two_looks_at_the_same_model_see_the_same():
    model, batch = make_model(), make_batch()
    one, other = (examine(model, batch) for _ in range(2))
    assert one == other


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


def test_logit_gap_is_real_minus_fake():
    model, batch = make_model(), make_batch()
    before = examine(model, batch)["logit_gap"]
    # A discriminator that adds the same to all logits tells them apart as before.
    model.discriminator.get_layer("projection_head").linear.layer.bias.assign([5.0])
    assert examine(model, batch)["logit_gap"] == pytest.approx(before, abs=1e-4)


def test_sigma_is_one_when_the_power_iteration_has_converged():
    model, batch = make_model(), make_batch()
    names = [name for name in examine(model, batch) if name.startswith("sigma")]
    assert len(names) == len(set(names)) == 31
    for network in (model.generator, model.discriminator):
        for layer in network._flatten_layers():
            if hasattr(layer, "normalized_weight"):
                for _ in range(300):
                    layer.normalized_weight(update_u=True)
    figures = examine(model, batch)
    # Singular values that are close take longer to be told apart.
    assert min(figures[name] for name in names) > 0.97
    assert max(figures[name] for name in names) < 1.001


def test_a_generator_that_ignores_z_has_no_diversity():
    model, batch = make_model(), make_batch()
    assert examine(model, batch)["diversity"] > 1e-3
    model.generator.get_layer("linear").layer.kernel.assign(
        tf.zeros_like(model.generator.get_layer("linear").layer.kernel)
    )
    assert examine(model, batch)["diversity"] < 1e-5


def test_diversity_is_that_of_fakes_with_one_label():
    # One picture per class: varied over classes, the same for every z.
    model, batch = make_model(), make_batch()
    generator = model.generator
    generator.get_layer("linear").layer.kernel.assign(
        tf.zeros_like(generator.get_layer("linear").layer.kernel)
    )
    beta = generator.get_layer("block_8x8").batch_norm_1.beta
    beta.assign(np.random.default_rng(1).normal(size=beta.shape))
    own_labels = health.mean_distance(model.generate(batch.z, [0, 1, 2, 0]).numpy())
    assert own_labels > 1e-3
    assert examine(model, batch)["diversity"] < 1e-5


def test_diversity_sees_a_collapse_of_some_of_the_labels():
    model = make_model(classes=2)
    random = np.random.default_rng(0)
    generator = model.generator
    for block in (generator.get_layer("block_8x8"), generator.get_layer("block_32x32")):
        for table in (block.batch_norm_2.gamma, block.batch_norm_2.beta):
            table.assign(random.normal(size=table.shape))
    z = random.normal(size=(16, 5)).astype("float32")
    images = random.uniform(-1, 1, (16, 32, 32, 1)).astype("float32")

    def diversity(labels):
        batch = health.FixedBatch(images, np.array(labels, "int32"), z)
        return examine(model, batch)["diversity"]

    one, other = diversity([0] * 16), diversity([1] * 16)
    assert one != pytest.approx(other, rel=1e-2)
    # Half of the fakes are of the first label, half of the ninth.
    mixed = diversity([0] * 8 + [1] * 8)
    assert min(one, other) < mixed < max(one, other)


def test_mean_distance_is_that_of_block_means():
    images = np.zeros((3, 32, 32, 1))
    images[1, :4, :4] = 3.0  # One block of 8 x 8.
    images[2, :4, :2] = 6.0  # The same mean in it.
    # Distances 3, 3 and 0.
    assert health.mean_distance(images) == pytest.approx(2.0)


def test_an_auxiliary_classifier_is_looked_at_too():
    model = make_model(head="auxiliary_classifier")
    assert np.isfinite(list(examine(model, make_batch()).values())).all()


def test_nothing_is_said_of_good_figures():
    assert kinds(good(), [good()] * 3) == []


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"diversity": 0.05}, "diversity"),
        ({"logit_gap": 9.0}, "logits"),
        ({"sigma_generator/linear": 0.5}, "sigma"),
        ({"gradient_norm_g": 1000.0}, "gradient_g"),
        ({"gradient_norm_d": 1000.0}, "gradient_d"),
        ({"logit_gap": float("nan")}, "nonfinite"),
        ({"gradient_norm_g": float("inf")}, "nonfinite"),
    ],
)
def test_what_is_bad_is_named_with_a_remedy(change, kind):
    (complaint,) = health.complaints(good(**change), [good()] * 3)
    assert complaint.kind == kind
    assert "Try " in complaint.text
    assert complaint.is_collapse == (kind in ("diversity", "logits", "nonfinite"))


def test_a_large_gradient_is_usual_where_it_was_always_large():
    assert kinds(good(gradient_norm_g=1000.0), [good(gradient_norm_g=900.0)]) == []
    assert kinds(good(gradient_norm_g=1000.0)) == []


def test_the_worst_layer_is_named():
    figures = good(**{"sigma_discriminator/block_2/shortcut": 0.4})
    (complaint,) = health.complaints(figures)
    assert complaint.text.startswith(
        "discriminator/block_2/shortcut is divided by 0.40"
    )
