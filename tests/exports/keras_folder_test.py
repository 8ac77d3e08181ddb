import keras
import numpy as np

from sagan_tf.exports import keras_folder


def test_the_folder_itself_is_opened(tmp_path):
    z = keras.Input((3,), name="z")
    model = keras.Model([z], {"images": keras.layers.Dense(2)(z)})
    (tmp_path / "model_card.md").write_text("what else an export has")
    keras_folder.write(model, tmp_path, [])
    assert (tmp_path / keras_folder.FILE).is_file()
    run, x = keras_folder.open_reader(tmp_path), np.ones((5, 3), np.float32)
    np.testing.assert_array_equal(run({"z": x}), model({"z": x})["images"])
