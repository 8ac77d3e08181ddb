import json

import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.evaluation.saved_generator import open_saved_generator


class Painter(tf.Module):
    """Gray images: z's first value, a little darker with the label."""

    def __init__(self, pixels):
        super().__init__()
        self.scale = tf.Variable(0.1)
        self._pixels = pixels

    def paint(self, z, labels=None):
        value = tf.tanh(tf.reshape(z, [tf.shape(z)[0], -1])[:, 0]) * 0.5
        if labels is not None:
            value -= self.scale * tf.cast(labels, tf.float32)
        made = tf.tile(value[:, None, None, None], [1, 4, 4, 1])
        return tf.cast(made * 127.5 + 128, tf.uint8) if self._pixels else made


def save(folder, labels=True, pixels=True, z_spec=(None, 3), export=None, **more):
    module = Painter(pixels)
    specs = [tf.TensorSpec(z_spec, tf.float32, name="z")]
    if labels:
        specs.append(tf.TensorSpec([None], tf.int64, name="labels"))
    function = tf.function(module.paint, input_signature=specs)
    tf.saved_model.save(
        module, str(folder), signatures={more.get("name", "serving_default"): function}
    )
    if export is not None:
        (folder / "export.json").write_text(json.dumps(export))
    return folder


@pytest.mark.parametrize("pixels", [True, False])
def test_pixels_and_images_both_come_out_as_images(tmp_path, pixels):
    generate, num_classes = open_saved_generator(save(tmp_path, pixels=pixels), 7)
    assert (num_classes, generate.z_dim) == (7, 3)
    z = np.array([[0.5, 0, 0], [-2, 0, 0]], np.float32)
    made = generate(z, tf.constant([0, 2], tf.int32)).numpy()
    assert made.dtype == np.float32
    expected = np.tanh(z[:, 0]) / 2 - [0, 0.2]
    np.testing.assert_allclose(made[:, 1, 2, 0], expected, atol=1 / 127)


def test_a_model_without_labels_has_no_classes(tmp_path):
    generate, num_classes = open_saved_generator(save(tmp_path, labels=False), 7)
    assert num_classes == 0
    assert generate(np.zeros((2, 3), np.float32), None).shape == (2, 4, 4, 1)


def test_export_json_knows_the_classes_better(tmp_path):
    folder = save(tmp_path, export={"config": {"num_classes": 4}})
    assert open_saved_generator(folder, 7)[1] == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "other"}, "signature serving_default. Received: other"),
        ({"z_spec": (None, 2, 3)}, "must take z"),
        ({"z_spec": (None, None)}, "must take z"),
        ({"export": {"config": {}}}, "config.num_classes"),
        ({"export": "text"}, "config.num_classes"),
    ],
)
def test_another_model_is_refused(tmp_path, options, words):
    with pytest.raises(ValueError, match=words):
        open_saved_generator(save(tmp_path, **options), 7)


def test_labels_without_a_number_of_classes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="takes labels"):
        open_saved_generator(save(tmp_path), 0)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(ValueError, match="saved_model.pb"):
        open_saved_generator(tmp_path, 7)
    (tmp_path / "saved_model.pb").write_bytes(b"no")
    with pytest.raises(ValueError, match="cannot be loaded"):
        open_saved_generator(tmp_path, 7)
