"""All attention maps of a run: of which networks, in which order, over training."""

import dataclasses
import json

import numpy as np
import pytest
from attention_runs import GAMMAS, make_run

from sagan_tf import images
from sagan_tf.attention_maps import explorer
from sagan_tf.attention_maps.explorer import (
    explore,
    mean_values,
    networks_to_look_at,
    training_gammas,
)
from sagan_tf.attention_maps.measures import measure
from sagan_tf.attention_maps.subjects import generated_images, real_images
from sagan_tf.attention_maps.view import make_view
from sagan_tf.networks.attention_scores import AttentionMap, attention_maps_of
from sagan_tf.run import building


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("run")
    return workdir, make_run(workdir, discriminator_attention_resolution=(8,))


@pytest.fixture(scope="module")
def networks(run):
    return building.load_networks(run[0])[:2]


@pytest.fixture
def chosen_images(run):
    return generated_images(run[1], [3, 8], [])


def names(found):
    return list(found)


def test_both_networks_are_looked_at_unless_one_is_asked_for(networks):
    both = ["generator", "discriminator"]
    assert names(networks_to_look_at(networks, None, "generated")) == both
    for name in both:
        assert names(networks_to_look_at(networks, name, "generated")) == [name]
    assert names(networks_to_look_at(networks, None, "real")) == ["discriminator"]


def test_the_generator_has_no_real_images(networks):
    with pytest.raises(ValueError, match="sees no real images.*--images=generated"):
        networks_to_look_at(networks, "generator", "real")


def build(run, **changes):
    return building.networks_from_config(dataclasses.replace(run[1], **changes))


def test_a_network_without_attention_is_left_out(run):
    one = build(run, attention_resolution=())
    assert names(networks_to_look_at(one, None, "generated")) == ["discriminator"]
    message = "the generator of this run has no attention.* Try --network=discriminator"
    with pytest.raises(ValueError, match=message):
        networks_to_look_at(one, "generator", "generated")


def test_a_run_without_attention_is_named(run):
    none = build(run, attention_resolution=(), discriminator_attention_resolution=None)
    message = "generator and the discriminator of this run have no attention.*"
    with pytest.raises(ValueError, match=message + "--attention_resolution"):
        networks_to_look_at(none, None, "generated")
    generator_alone = build(run, discriminator_attention_resolution=())
    with pytest.raises(ValueError, match="--images=generated|--attention_resolution"):
        networks_to_look_at(generator_alone, None, "real")


def test_residual_blocks_are_no_attention(run):
    networks = build(run, attention_variant="residual")
    message = (
        "discriminator of this run have residual blocks in its place. Try a run that "
        "was trained with --attention_variant=official"
    )
    with pytest.raises(ValueError, match=message):
        networks_to_look_at(networks, None, "generated")


def test_a_discriminator_that_is_told_no_labels_has_maps_too(run, chosen_images):
    networks = build(run, discriminator_head="auxiliary_classifier")
    chosen = networks_to_look_at(networks, None, "generated")
    found = [each for _, _, each in explore(chosen, networks[0], chosen_images)]
    made = networks[0]([chosen_images.z, chosen_images.labels], training=False).numpy()
    expected = [maps[0] for _, maps in attention_maps_of(networks[1], made)]
    for ours, theirs in zip(found[2:], expected, strict=True):
        assert ours.network == "discriminator"
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-5)


def test_of_a_run_without_a_discriminator_the_generator_is_looked_at(networks):
    alone = networks[0], None
    assert names(networks_to_look_at(alone, None, "generated")) == ["generator"]
    for wanted, kind in (("discriminator", "generated"), (None, "real")):
        with pytest.raises(ValueError, match="imported without one.*=generator"):
            networks_to_look_at(alone, wanted, kind)


def test_the_discriminator_looks_at_what_the_generator_made(networks, chosen_images):
    chosen = networks_to_look_at(networks, None, "generated")
    found = list(explore(chosen, networks[0], chosen_images))
    assert len(found) == 4
    assert [(index, each.network) for index, _, each in found] == [
        (0, "generator"),
        (1, "generator"),
        (0, "discriminator"),
        (1, "discriminator"),
    ]
    made = networks[0]([chosen_images.z, chosen_images.labels], training=False).numpy()
    inputs = [made, chosen_images.labels]
    for (_, pixels, ours), image, (_, (expected,)) in zip(
        found[2:], made, attention_maps_of(networks[1], inputs)
    ):
        difference = np.abs(pixels.astype(int) - images.to_pixels(image))
        assert difference.max() <= 1
        np.testing.assert_allclose(ours.scores, expected.scores, atol=1e-5)
        assert ours.layer == "attention_8x8" and ours.gamma == -0.5


@pytest.mark.slow
def test_the_discriminator_alone_sees_the_same(networks, chosen_images):
    both, alone = (
        [
            each.scores
            for _, _, each in explore(
                networks_to_look_at(networks, wanted, "generated"),
                networks[0],
                chosen_images,
            )
            if each.network == "discriminator"
        ]
        for wanted in (None, "discriminator")
    )
    np.testing.assert_allclose(both, alone, atol=1e-5)


def test_the_discriminator_looks_at_real_images(run, networks):
    chosen_images = real_images(run[1], [2], [])
    chosen = networks_to_look_at(networks, None, "real")
    ((index, pixels, found),) = explore(chosen, networks[0], chosen_images)
    np.testing.assert_array_equal(pixels, images.to_pixels(chosen_images.images[0]))
    inputs = [chosen_images.images, chosen_images.labels]
    _, (expected,) = next(attention_maps_of(networks[1], inputs))
    np.testing.assert_array_equal(found.scores, expected.scores)


def scores(seed):
    random = np.random.default_rng(seed).random((4, 4, 2, 2)).astype("float32")
    return random / random.sum((2, 3), keepdims=True)


def test_values_are_means_over_images_for_each_layer():
    pixels = np.zeros((32, 32, 1), "uint8")
    views = [
        make_view(pixels, AttentionMap(network, "a", gamma, scores(seed)), [])
        for seed, (network, gamma) in enumerate([("generator", 0.5), ("d", 0.0)] * 2)
    ]
    first, second = mean_values(views)
    named = (first["network"], first["gamma"], first["has_effect"])
    assert named == ("generator", 0.5, True)
    assert (second["network"], second["has_effect"]) == ("d", False)
    expected = np.mean([measure(scores(s), 32)["entropy_bits"] for s in (0, 2)])
    assert first["entropy_bits"] == pytest.approx(expected)


def history(workdir, config, chosen_images, wanted=None, ema=True):
    networks = building.load_networks(workdir, ema=ema)[:2]
    attending = networks_to_look_at(networks, wanted, "generated")
    return explorer.history(workdir, config, networks, attending, chosen_images, ema)


def test_history_has_the_values_of_every_checkpoint(run, chosen_images):
    workdir, config = run
    records = history(workdir, config, chosen_images)
    assert [record["step"] for record in records] == [2, 4]
    for record in records:
        gammas = [layer["gamma"] for layer in record["layers"]]
        average, _, discriminator = GAMMAS[record["step"]]
        assert gammas == [average, discriminator]
    assert [layer["has_effect"] for layer in records[0]["layers"]] == [False, False]


def test_history_can_be_of_the_weights_that_are_trained(run, chosen_images):
    records = history(*run, chosen_images, "generator", ema=False)
    assert [r["layers"][0]["gamma"] for r in records] == [g[1] for g in GAMMAS.values()]


def test_a_damaged_checkpoint_is_named_and_left_out(tmp_path, chosen_images, capsys):
    config = make_run(tmp_path, discriminator_attention_resolution=(8,))
    (damaged,) = (tmp_path / "checkpoints" / "step_00000002").glob("*.data*")
    damaged.write_bytes(b"")
    records = history(tmp_path, config, chosen_images)
    assert [record["step"] for record in records] == [4]
    assert "skipping a bad checkpoint" in capsys.readouterr().err


def test_gammas_of_the_training_are_in_its_metrics(tmp_path):
    lines = [
        {"step": 5, "g_loss": 1.0, "gamma_g_attention_16x16": 0.1},
        {
            "step": 9,
            "gamma_g_attention_16x16": 0.2,
            "gamma_d_attention_8x8": -0.3,
        },
        {"step": 12, "gamma_g_attention_16x16": None},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "metrics.jsonl").write_text(text)
    assert training_gammas(tmp_path) == {
        ("generator", "attention_16x16"): [(5, 0.1), (9, 0.2)],
        ("discriminator", "attention_8x8"): [(9, -0.3)],
    }
    assert training_gammas(tmp_path / "nowhere") == {}
