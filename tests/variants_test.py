"""Each variant of the networks in all that a run is used for after its training."""

import keras
import numpy as np
import pytest
import tiny
from PIL import Image

from sagan_tf import attention, evaluate, export, sample
from sagan_tf.exports import export as exporting
from sagan_tf.exports.served_model import ServedModel
from sagan_tf.layers import SelfAttention, SpectralNormalization
from sagan_tf.model.generating import generate_one_by_one
from sagan_tf.model.sagan import SAGAN
from sagan_tf.model.standing_statistics import use_standing_statistics
from sagan_tf.networks.class_blending import blend_classes
from sagan_tf.networks.folding import fold_generator
from sagan_tf.run import building, directory
from sagan_tf.run.records import read_metrics
from sagan_tf.settings.config import Config
from tests.evaluate_commands_test import make_small

CLASSES, STEP = 4, 7
# Float32's rounding, summed over a network.
ROUNDING = 1e-5
VARIANTS = {
    # The tables are the generator's, and the head is the discriminator's.
    "ac_gan_and_normalized_tables": {
        "discriminator_head": "auxiliary_classifier",
        "spectral_norm_clamp": True,
        "spectral_norm_conditional_batch_norm": True,
    },
    "residual": {"attention_variant": "residual", "num_classes": 0},
    "together": {
        "discriminator_head": "auxiliary_classifier",
        "attention_variant": "residual",
        "spectral_norm_clamp": True,
        "spectral_norm_conditional_batch_norm": True,
        "spectral_norm_stop_gradient": True,
        "power_iterations": 2,
        "initializer": "orthogonal",
        "cross_replica_batch_norm": True,
        "ema_decay": 0.9,
    },
}
Z = np.random.default_rng(1).normal(size=(6, 8)).astype(np.float32)
LABELS = np.int32([0, 1, 2, 3, 3, 1])


class Run:
    """A run directory with one checkpoint, and the networks that it was written of."""

    def __init__(self, workdir, variant):
        self.workdir = workdir
        self.config = Config(
            **{
                "dataset": "digits",
                "resolution": 32,
                "image_channels": 1,
                "num_classes": CLASSES,
                "z_dim": 8,
                "generator_channels": 4,
                "discriminator_channels": 4,
                "attention_resolution": (8,),
                **VARIANTS[variant],
            }
        ).validate()
        classes = self.config.num_classes
        names = [f"digit {label}" for label in range(classes)]
        data = {"description": "digits", "num_images": 1797, "class_names": names}
        checkpoints = directory.prepare(workdir, self.config, data)
        networks = building.networks_from_config(self.config)
        self.generator, self.discriminator = networks
        items = {"discriminator": self.discriminator, "generator": self.generator}
        if self.config.ema_decay is not None:
            items = {**items, "ema_generator": self.generator}
            items["generator"], _ = building.networks_from_config(self.config)
        for seed, network in enumerate(networks):
            make_lively(network, seed)
        checkpoints.write(STEP, items)
        self.labels = [LABELS] if classes else []

    def images(self, generator=None, labels=None):
        """Of `Z`, and of `LABELS` or others, as training's sample grids make them."""
        labels = self.labels if labels is None else [labels]
        inputs = [Z, *labels] if labels else Z
        return np.asarray((generator or self.generator)(inputs, training=False))


def make_lively(network, seed):
    """Moves weights away from their initial values, some sigmas to below 1."""
    random = np.random.default_rng(seed)
    for variable in network.weights:
        if variable.name == "moving_variance":
            value = random.uniform(0.2, 1, variable.shape)
        elif variable.name in ("kernel", "embeddings"):
            value = variable * random.choice([0.3, 2])
        else:
            value = variable + random.normal(0, 0.5, variable.shape)
        variable.assign(value)


@pytest.fixture(scope="module", params=VARIANTS)
def run(request, tmp_path_factory):
    """Not to be changed."""
    keras.utils.set_random_seed(0)
    return Run(tmp_path_factory.mktemp(request.param), request.param)


def command(main, **values):
    return main(["command", *(f"--{name}={value}" for name, value in values.items())])


def test_sigmas_are_on_both_sides_of_1(run):
    """So that clamped ones are others than those that are not."""
    sigmas = [
        float(layer.sigma())
        for network in (run.generator, run.discriminator)
        for layer in network._flatten_layers()
        if isinstance(layer, SpectralNormalization)
    ]
    assert min(sigmas) < 0.8
    assert max(sigmas) > 1.2


def test_networks_come_out_of_the_run_as_they_went_in(run):
    generator, discriminator, config, *_ = building.load_networks(run.workdir)
    images = run.images()
    assert images.std() > 0.1
    np.testing.assert_array_equal(run.images(generator), images)
    assert config == run.config
    inputs = [images, *run.labels] if len(discriminator.inputs) > 1 else images
    logits = [
        np.asarray(network(inputs, training=False))
        for network in (discriminator, run.discriminator)
    ]
    np.testing.assert_array_equal(*logits)
    assert logits[0].std() > 0


@pytest.mark.slow
def test_a_folded_generator_makes_the_same_images(run):
    images = run.images()
    folded = run.images(fold_generator(run.generator))
    np.testing.assert_allclose(folded, images, atol=ROUNDING)
    for label in (0, 3) if run.labels else ():
        images = run.images(labels=np.full(len(Z), label, np.int32))
        folded = fold_generator(run.generator, label)(Z)
        np.testing.assert_allclose(folded, images, atol=ROUNDING)


@pytest.mark.slow
@pytest.mark.parametrize("fold", [False, True])
def test_blended_classes_begin_and_end_at_classes(run, fold):
    if not run.labels:
        with pytest.raises(ValueError, match="0 classes"):
            blend_classes(run.generator, np.eye(CLASSES))
        return
    generator = fold_generator(run.generator) if fold else run.generator
    shares = np.float32([[0, 1, 0, 0], [0, 0.5, 0, 0.5], [0, 0, 0, 1]])
    blended = blend_classes(generator, shares)
    begin, between, end = (
        run.images(blended, np.full(len(Z), mixture, np.int32)) for mixture in range(3)
    )
    for images, label in ((begin, 1), (end, 3)):
        expected = run.images(labels=np.full(len(Z), label, np.int32))
        np.testing.assert_allclose(images, expected, atol=ROUNDING)
    ends = np.abs(begin - end).max()
    assert 0 < np.abs(begin - between).max() < ends


def batches(run):
    random = np.random.default_rng(3)
    z = random.normal(size=(3, 5, 8)).astype(np.float32)
    labels = random.integers(0, CLASSES, (3, 5)).astype(np.int32)
    return list(zip(z, labels)) if run.labels else list(z)


def copied(network):
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    return copy


@pytest.mark.slow
def test_standing_statistics_move_nothing_else_and_know_no_order(run):
    forward, backward = copied(run.generator), copied(run.generator)
    use_standing_statistics(forward, batches(run))
    use_standing_statistics(backward, batches(run)[::-1])
    for variable, one, other, before in zip(
        run.generator.weights,
        *(network.get_weights() for network in (forward, backward, run.generator)),
    ):
        is_statistic = variable.name in ("moving_mean", "moving_variance")
        assert np.array_equal(one, before) != is_statistic, variable.path
        np.testing.assert_allclose(one, other, rtol=1e-5, err_msg=variable.path)


@pytest.mark.slow
def test_keras_saves_and_loads_networks_and_model(run, tmp_path):
    model = SAGAN(copied(run.generator), copied(run.discriminator), ema_decay=0.5)
    model.compile()
    model.save(tmp_path / "sagan.keras")
    loaded = keras.saving.load_model(tmp_path / "sagan.keras")
    assert loaded.num_classes == (run.config.num_classes or None)
    for name in ("generator", "ema_generator"):
        images = run.images(getattr(loaded, name))
        np.testing.assert_array_equal(images, run.images())
    for ours, theirs in zip(
        run.discriminator.weights, loaded.discriminator.weights, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    run.generator.save(tmp_path / "generator.keras")
    generator = keras.saving.load_model(tmp_path / "generator.keras")
    np.testing.assert_array_equal(run.images(generator), run.images())


@pytest.mark.slow
def test_sample_draws_classes_and_ways_between_them(run, tmp_path, capsys):
    output = tmp_path / "grid.png"
    flags = {"workdir": run.workdir, "output": output, "seeds": "2,3"}
    assert command(sample.main, **flags, columns=2) == 0
    assert Image.open(output).size == (2 * (2 * 32 + 4) - 4, 64)
    walk = {**flags, "interpolate_labels": True, "columns": 3}
    if not run.labels:
        assert command(sample.main, **walk) == 2
        assert "unconditional" in capsys.readouterr().err
        return
    assert command(sample.main, **walk, labels="0,3") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("6 images from step")


@pytest.mark.slow
def test_attention_shows_maps_or_says_why_not(run, tmp_path, capsys):
    output = tmp_path / "attention.png"
    flags = {"workdir": run.workdir, "output": output, "seeds": "0", "num_queries": 1}
    if run.config.attention_variant == "residual":
        assert command(attention.main, **flags) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "residual blocks in its place" in line
        assert "Try a run that was trained with --attention_variant=official." in line
        assert not list(tmp_path.iterdir())
        return
    assert command(attention.main, **flags) == 0
    out = capsys.readouterr().out
    for network in ("generator", "discriminator"):
        assert f"{network} attention_8x8" in out
    assert output.stat().st_size > 1000


@pytest.mark.slow
def test_an_export_draws_the_same_images(run, tmp_path):
    record = exporting.export_run(run.workdir, tmp_path / "1", warm=False)
    assert 0 < record["difference"]["images"] < ROUNDING
    assert record["difference"]["levels"] <= 1
    has_attention = any(isinstance(x, SelfAttention) for x in run.generator.layers)
    assert ("attention" in record["signatures"]) == has_attention
    requests = {"z": Z, **({"labels": LABELS} if run.labels else {})}
    with ServedModel(tmp_path / "1") as served:
        images = served.run("images", requests)["images"]
    np.testing.assert_allclose(images, run.images(), atol=ROUNDING)
    card = (tmp_path / "1" / "model_card.md").read_text()
    words = "attention at 8x8" if has_attention else "no attention, but residual blocks"
    assert words in card


@pytest.mark.slow
def test_a_training_with_all_of_them_goes_through_every_command(
    tmp_path, monkeypatch, capsys
):
    make_small(monkeypatch)
    workdir, output = tmp_path / "run", tmp_path / "models" / "digits" / "1"
    flags = {**VARIANTS["together"], "attention_resolution": 8, "batch_size": 8}
    flags |= {"checkpoint_every_steps": 1, "split": "train", "class_loss_weight": 0.5}
    for steps in (1, 3):
        assert tiny.run(workdir, **flags, total_steps=steps) == 0
    assert "Resuming from step 1" in capsys.readouterr().err
    last = read_metrics(workdir / "metrics.jsonl")[-1]
    assert {"real_class_accuracy", "fake_class_accuracy"} <= set(last)
    small = {"workdir": workdir, "feature_network": "small", "num_fake": 100}
    assert command(evaluate.main, **small, checkpoint="all", standing_batches=2) == 0
    assert command(evaluate.main, **small) == 0
    records = read_metrics(workdir / "evaluations.jsonl")
    assert [record["step"] for record in records] == [1, 2, 3, 3]
    figures = [record["metrics"]["fid"] for record in records]
    assert np.isfinite(figures).all()
    assert figures[2] != figures[3]
    assert command(export.main, workdir=workdir, output=output) == 0
    saved = {"reference_statistics": next((workdir / "reference").iterdir())}
    saved |= {"saved_model": output, "feature_network": "small", "num_fake": 100}
    saved["output"] = tmp_path / "saved.jsonl"
    assert command(evaluate.main, **saved) == 0
    (record,) = read_metrics(tmp_path / "saved.jsonl")
    assert record["metrics"]["fid"] == pytest.approx(figures[3], rel=1e-3)
    images = generate_one_by_one(building.load_generator(workdir)[0], Z, LABELS)
    with ServedModel(output) as served:
        made = served.run("images", {"z": Z, "labels": LABELS})["images"]
    np.testing.assert_allclose(made, images, atol=ROUNDING)
    assert tiny.run(workdir, **{**flags, "spectral_norm_clamp": False}) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "spectral_norm_clamp was True, now False" in error
