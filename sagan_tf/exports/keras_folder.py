"""Exports a folder that `keras.saving.load_model` opens without this package."""

TITLE = "Keras"
RUNTIME = "Keras 3"
MODULES = ()
FILE = "model.weights.h5"
LOADING = """\
import keras

network = keras.saving.load_model(".")
images = network.predict(inputs, verbose=0)["images"]
"""


def write(model, folder, specs):
    """See `formats.py`. The layout is that of Keras on the Hugging Face Hub."""
    model.save(folder, zipped=False)


def open_reader(folder):
    """See `formats.py`."""
    import keras

    network = keras.saving.load_model(folder)
    return lambda inputs: keras.ops.convert_to_numpy(network(inputs)["images"])
