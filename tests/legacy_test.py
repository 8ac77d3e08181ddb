"""What version 0.1.0 wrote, when the package was one folder of flat modules, opens.

`legacy/` holds a run of three steps, a compiled `SAGAN` and a folded generator as
`.keras` files, an export, and the images that each of them drew then.
"""

import pathlib
import shutil
import tarfile

import keras
import numpy as np
import pytest
import tensorflow as tf

import sagan_tf
from sagan_tf import export, train

LEGACY = pathlib.Path(__file__).parent / "legacy"
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def recorded():
    return dict(np.load(LEGACY / "images.npz"))


@pytest.fixture
def run(tmp_path):
    return shutil.copytree(LEGACY / "run", tmp_path / "run")


def assert_draws(generator, recorded, name):
    images = generator([recorded["z"], recorded["labels"]], training=False)
    np.testing.assert_allclose(images, recorded[name], atol=TOLERANCE)


@pytest.mark.parametrize(("ema", "name"), [(True, "run"), (False, "run_raw")])
def test_generator_of_an_old_run_draws_what_it_drew(run, recorded, ema, name):
    generator, config, class_names, step = sagan_tf.load_generator(run, ema=ema)
    assert (step, config.resolution, len(class_names)) == (3, 32, 10)
    assert_draws(generator, recorded, name)


def test_averages_of_an_old_run_are_not_debiased(run):
    """Its weights have no `moving_weight`, and its averages hold initial values."""
    generator, config, *_ = sagan_tf.load_generator(run)
    assert not config.batch_norm_debias
    assert not any("moving_weight" in weight.path for weight in generator.weights)


@pytest.mark.slow
def test_training_goes_on_in_an_old_run(run, capsys):
    flags = """
        --dataset=digits --resolution=32 --image_channels=1 --z_dim=6
        --generator_channels=2 --discriminator_channels=2 --batch_size=8
        --attention_resolution=16 --ema_decay=0.9 --sample_every_steps=0
        --total_steps=4 --log_every_steps=1
    """.split()
    assert train.main(["train", *flags, f"--workdir={run}"]) == 0
    assert "Resuming from step 3" in capsys.readouterr().err
    assert (run / "checkpoints" / "step_00000004" / "checkpoint.json").exists()
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 4


@pytest.mark.slow
def test_an_old_run_is_exported(run, tmp_path):
    output = tmp_path / "export"
    assert export.main(["export", f"--workdir={run}", f"--output={output}"]) == 0
    assert (output / "saved_model.pb").exists()


@pytest.mark.slow
def test_old_keras_file_of_a_sagan_opens_and_trains_on(recorded):
    # `keras.saving` finds classes that are imported.
    assert sagan_tf.SAGAN
    model = keras.saving.load_model(LEGACY / "sagan.keras")
    images = model.generate(recorded["z"], recorded["labels"])
    np.testing.assert_allclose(images, recorded["sagan"], atol=TOLERANCE)
    assert (model.discriminator_steps, model.seed, int(model.step)) == (2, 3, 2)
    images = np.zeros((8, 32, 32, 1), np.float32)
    model.fit(images, np.arange(8, dtype="int32"), batch_size=8, verbose=0)
    assert int(model.step) == 3


def test_old_keras_file_of_a_folded_generator_opens(recorded):
    assert sagan_tf.SAGAN
    generator = keras.saving.load_model(LEGACY / "folded_generator.keras")
    assert_draws(generator, recorded, "folded")


def test_old_export_draws_what_it_drew(recorded, tmp_path):
    with tarfile.open(LEGACY / "export.tar.gz") as archive:
        archive.extractall(tmp_path)
    served = tf.saved_model.load(str(tmp_path / "export"))
    z, labels = tf.constant(recorded["z"]), tf.constant(recorded["labels"])
    images = served.signatures["images"](z=z, labels=labels)["images"]
    np.testing.assert_allclose(images, recorded["export"], atol=TOLERANCE)
