"""What `fit` and `evaluate` of a `SAGAN` do beside those of `keras.Model`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.errors import BadInput
from sagan_tf.model.batches import unpacked
from sagan_tf.model.sagan import SAGAN
from tests.model.batches_test import as_dataset, as_generator, cut
from tests.model.sagan_test import AC_GAN, moved, sagan, snapshot, varied
from tests.model.sagan_test import data as large_data

CLASSES = 3


class Product(keras.layers.Layer):
    """The product of an image's features with those of its label."""

    def call(self, inputs):
        return tf.reduce_sum(inputs[0] * inputs[1], 1, keepdims=True)


class Light(SAGAN):
    """Its step notes what is not finite, and trains nothing."""

    def train_step(self, data):
        self._note_nonfinite(unpacked(data)[0], [])
        self.step.assign(self.step + 1)
        self._trackers["d_loss"].update_state(1.0)
        return {"d_loss": self._trackers["d_loss"].result()}


def toy(kind=SAGAN, **options):
    """A SAGAN for 4x4 images."""
    keras.utils.set_random_seed(0)
    z, labels = keras.Input((5,)), keras.Input((), dtype="int32")
    x = keras.layers.Embedding(CLASSES, 5)(labels) + z
    x = keras.layers.Reshape((4, 4, 1))(keras.layers.Dense(16, "tanh")(x))
    generator = keras.Model([z, labels], x, name="generator")
    images, labels = keras.Input((4, 4, 1)), keras.Input((), dtype="int32")
    x = keras.layers.Dense(6)(keras.layers.Flatten()(images))
    x = Product()([x, keras.layers.Embedding(CLASSES, 6)(labels)])
    discriminator = keras.Model([images, labels], x, name="discriminator")
    model = kind(generator, discriminator, num_classes=CLASSES, **options)
    model.compile(keras.optimizers.SGD(0.01), keras.optimizers.SGD(0.04))
    return model


def light(**options):
    return toy(Light, **options)


def data(count=8):
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (count, 4, 4, 1)).astype("float32")
    return images, np.arange(count) % CLASSES


def fit(model, *args, **options):
    return model.fit(*args, verbose=0, **options).history


def as_shapeless(x, y, size):
    """Batches whose rank is not known before they are read."""
    types = tf.float32, tf.int32
    return tf.data.Dataset.from_generator(lambda: iter(cut(x, y, size)), types)


@pytest.mark.slow
def test_data_in_batches_and_arrays_make_the_same_training():
    x, y = data()
    expected = toy()
    for first in range(0, 8, 4):
        expected.train_step((x[first : first + 4], y[first : first + 4]))
    shapeless = as_shapeless(x, y.astype("int32"), 4)
    for arguments in [(as_generator(x, y[:, None], 4),), (x, y), (shapeless,)]:
        model = toy()
        fit(model, *arguments, batch_size=4, shuffle=False)
        assert int(model.step) == 2
        for one, other in zip(model.get_weights(), expected.get_weights()):
            np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("kind", [as_dataset, as_generator])
def test_a_label_that_is_no_class_is_one_line_also_under_xla(kind, jit_compile):
    model = light()
    model.jit_compile = jit_compile
    x, y = data()
    y[5] = 3
    with pytest.raises(BadInput, match=r"in \[0, 3\). Received: \[3\]"):
        fit(model, kind(x, y, 4))
    assert int(model.step) <= 1


def test_pixels_from_a_folder_are_refused(tmp_path):
    for name in "abc":
        (tmp_path / name).mkdir()
        image = np.full((4, 4, 1), 200, "uint8")
        keras.utils.save_img(tmp_path / name / "1.png", image, scale=False)
    folder = keras.utils.image_dataset_from_directory(
        tmp_path, image_size=(4, 4), color_mode="grayscale", verbose=False
    )
    with pytest.raises(BadInput, match="from 200 to 200. Try images / 127.5 - 1"):
        fit(light(), folder)
    fit(light(), folder.map(lambda images, labels: (images / 127.5 - 1, labels)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_weight": {0: 2.0}}, "class_weight"),
        ({"sample_weight": np.ones(8)}, "sample_weight"),
        ({"validation_data": (*data(), np.ones(8))}, "sample_weight"),
        ({"validation_data": data()[0]}, "images alone"),
        ({"validation_data": (data()[0], data()[1] + 0.5)}, "float64"),
        ({"validation_split": 1.5}, "validation_split must be .* Received: 1.5"),
        ({"validation_split": 0.99}, "at least one image"),
        ({"batch_size": -4}, "batch_size must be an int .* Received: -4"),
        ({"batch_size": 4.0}, "Received: 4.0"),
        ({"epochs": 1.5}, "epochs must be an int of at least 0.* Received: 1.5"),
        ({"epochs": -1}, "Received: -1"),
        ({"initial_epoch": None}, "initial_epoch must be .* Received: None"),
        ({"steps_per_epoch": -1}, "steps_per_epoch must be .* Received: -1"),
        ({"validation_steps": 0.5}, "validation_steps must be .* Received: 0.5"),
        ({"validation_freq": 0}, "validation_freq must be .* Received: 0"),
        ({"validation_batch_size": 0}, "validation_batch_size must .* Received: 0"),
        ({"callbacks": [keras.callbacks.EarlyStopping("val_loss")]}, "d_loss"),
        ({"callbacks": keras.callbacks.EarlyStopping("real_logits")}, "mode='min'"),
    ],
)
def test_what_fit_cannot_do_is_said_before_the_first_step(options, message):
    model = light()
    with pytest.raises(BadInput, match=message):
        fit(model, *data(), **options)
    assert int(model.step) == 0


def test_a_number_of_steps_to_evaluate_is_checked():
    with pytest.raises(BadInput, match="steps must be an int .* Received: -3"):
        light().evaluate(*data(), steps=-3)


@pytest.mark.parametrize("options", [{"class_weight": {}}, {"sample_weight": 1}])
def test_one_batch_has_no_weights_either(options):
    with pytest.raises(BadInput, match=next(iter(options))):
        light().train_on_batch(*data(), **options)


def test_one_batch_is_checked():
    with pytest.raises(BadInput, match="uint8"):
        light().train_on_batch(data()[0].astype("uint8"), data()[1])
    with pytest.raises(BadInput, match="one-hot"):
        light().test_on_batch(data()[0], np.eye(3)[data()[1]])
    model = light()
    model.train_on_batch(*data())
    assert int(model.step) == 1


def test_a_last_batch_that_is_smaller_is_refused_or_left_out():
    with pytest.raises(BadInput, match="7 images in batches of 4, 3 in the last"):
        fit(light(discriminator_steps=2), *data(7), batch_size=4)
    model = light(gradient_accumulation_steps=2)
    with pytest.warns(UserWarning, match="left out"):
        fit(model, as_dataset(*data(7), 4), epochs=2)
    assert int(model.step) == 2
    model = light()  # Whole batches need not be of one size.
    fit(model, *data(7), batch_size=4)
    assert int(model.step) == 2


@pytest.mark.slow
def test_two_replicas_leave_out_a_last_batch_of_one(two_replicas):
    with two_replicas.scope():
        model = toy()
    with pytest.warns(UserWarning, match="left out"):
        fit(model, as_dataset(*data(9), 4))
    assert int(model.step.numpy()) == 2
    assert all(np.isfinite(each).all() for each in model.get_weights())


@pytest.mark.slow
@pytest.mark.parametrize("jit_compile", [False, True])
def test_one_nan_pixel_stops_the_training_and_is_said(jit_compile):
    model = toy()
    model.jit_compile = jit_compile
    x, y = data()
    x[5, 1, 2, 0] = np.nan
    with pytest.warns(
        UserWarning, match="a NaN or infinite value at step 2, so .* stops"
    ):
        history = fit(model, x, y, batch_size=4, shuffle=False, epochs=3)
    assert len(history["d_loss"]) == 1


def test_nan_is_found_within_a_long_epoch():
    model = light()
    x, y = data(4)
    dataset = tf.data.Dataset.from_tensors((x * np.nan, y)).repeat()
    with pytest.warns(UserWarning, match="at step 1"):
        fit(model, dataset, steps_per_epoch=1000)
    assert int(model.step) < 150


def test_a_callback_that_stops_at_nan_does_so_alone(recwarn):
    class Stop(keras.callbacks.Callback):
        stops_at_nonfinite = True

    fit(light(), data()[0] * np.nan, data()[1], callbacks=[Stop()])
    assert not any("NaN" in str(each.message) for each in recwarn)


@pytest.mark.parametrize("monitor", ["d_loss", "val_d_loss"])
def test_early_stopping_knows_the_direction(monitor):
    callback = keras.callbacks.EarlyStopping(monitor, patience=0, min_delta=100)
    history = fit(light(), *data(), callbacks=callback, epochs=9, validation_split=0.5)
    assert len(history["d_loss"]) == 2


def test_checkpoints_need_a_direction_only_for_the_best(tmp_path):
    best = {"filepath": tmp_path / "a.keras", "monitor": "g_loss"}
    callback = keras.callbacks.ModelCheckpoint(save_best_only=True, **best)
    fit(light(), *data(), callbacks=[callback])
    assert (tmp_path / "a.keras").exists()
    callback = keras.callbacks.ModelCheckpoint(tmp_path / "b.keras")
    fit(light(), *data(), callbacks=[callback])
    assert (tmp_path / "b.keras").exists()


def test_held_out_losses_are_those_of_the_step_that_would_come():
    model, twin = toy(), toy()
    found = model.test_step(data())
    expected = twin.generator_step([(0, data())])
    np.testing.assert_allclose(found["g_loss"], expected, rtol=1e-6)
    twin = toy()
    expected = twin.discriminator_step([(0, data())])
    np.testing.assert_allclose(found["d_loss"], expected, rtol=1e-6)


def test_each_held_out_batch_has_its_own_z():
    model, seen = toy(), []
    draw = model.draw_latents
    model.draw_latents = lambda *args: seen.append(draw(*args)) or seen[-1]
    model.reset_metrics()
    for _ in range(2):
        model.test_step(data())
    assert np.all(seen[0][0] != seen[1][0])


@pytest.mark.parametrize("make", [varied, lambda: sagan(ema_decay=0.9, **AC_GAN)])
def test_evaluation_moves_nothing(make):
    model = make()
    images, labels = large_data()
    metrics = {id(each) for metric in model.metrics for each in metric.variables}
    before = snapshot(model)
    logs = model.test_step((images, labels))
    still = [each for each in model.variables if id(each) not in metrics]
    assert not moved(still, before)
    names = {"g_loss", "d_loss", "real_logits", "fake_logits", "d_accuracy"}
    accuracies = {"real_class_accuracy", "fake_class_accuracy"}
    assert set(logs) - accuracies == names
    assert all(np.isfinite(value) for value in logs.values())


@pytest.mark.slow
def test_a_validated_training_is_one_that_is_not():
    models = [toy(), toy(), toy()]
    x, y = data(12)
    validated = [
        {},
        {"validation_data": (x[8:], y[8:]), "validation_batch_size": 2},
        {"validation_data": as_dataset(x[8:], y[8:], 2)},
    ]
    for model, options in zip(models, validated):
        history = fit(model, x[:8], y[:8], shuffle=False, epochs=2, **options)
        assert len(history.get("val_d_loss", [0, 0])) == 2
        for one, other in zip(model.get_weights(), models[0].get_weights()):
            np.testing.assert_array_equal(one, other)


def test_a_part_of_the_arrays_is_held_out():
    model, seen = toy(), []
    model.run_eagerly = True
    step = model.test_step
    model.test_step = lambda batch: seen.append(batch[0]) or step(batch)
    x, y = data()
    fit(model, x, y, validation_split=0.25, batch_size=3)
    np.testing.assert_array_equal(seen[0], x[6:])
    assert int(model.step) == 2


def test_evaluate_returns_means_over_the_batches():
    model = toy()
    logs = model.evaluate(*data(), batch_size=4, verbose=0, return_dict=True)
    values = model.evaluate(as_dataset(*data(), 4), verbose=0)
    names = ["g_loss", "d_loss", "real_logits", "fake_logits", "d_accuracy"]
    assert [logs[name] for name in names] == pytest.approx(values)


@pytest.mark.slow
def test_two_replicas_evaluate(two_replicas):
    with two_replicas.scope():
        model = toy()
    logs = model.evaluate(as_dataset(*data(), 8), verbose=0, return_dict=True)
    expected = toy().evaluate(*data(), batch_size=8, verbose=0, return_dict=True)
    assert logs == pytest.approx(expected, rel=1e-5)
