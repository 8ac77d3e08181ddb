"""Networks of PyTorch projects, recorded while they ran: see recordings/README.md."""

import dataclasses
import functools
import pathlib

import keras
import numpy as np
import pytest

from sagan_tf.importers.translation import convert
from sagan_tf.networks.variable_names import variables_by_name
from sagan_tf.run import building
from sagan_tf.settings.config import Config

_FOLDER = pathlib.Path(__file__).parent / "recordings"
_PREFIX = "tensors/"


@dataclasses.dataclass(frozen=True)
class Recording:
    """A checkpoint's tensors by name, and its networks' inputs and outputs.

    `images` and `ema_images` (B, 3, R, R) come from `z` and `labels`, `logits` from the
    images `x` (B, 3, R, R). Of 128 pixels every third is kept in both directions.
    """

    tensors: dict
    arrays: dict

    def __getattr__(self, name):
        return self.arrays[name]


def load(name):
    """Reads a recording; converts float16 weights to float32."""
    with np.load(_FOLDER / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    wide = {
        key: array.astype(np.float32) if array.dtype == np.float16 else array
        for key, array in arrays.items()
    }
    tensors = {
        key.removeprefix(_PREFIX): array
        for key, array in wide.items()
        if key.startswith(_PREFIX)
    }
    return Recording(tensors, {k: v for k, v in wide.items() if k not in tensors})


def networks_of(translation, tensors):
    """Makes our networks with translated weights, as `run_from_checkpoint` does.

    Returns:
        Dict of `"generator"`, ... to `keras.Model`.
    """
    fields = {"batch_norm_debias": False, **translation.settings, **translation.fields}
    config = Config(**fields).validate()
    variables = {item: _variables(config)[item] for item in translation.networks}
    weights = {
        item: {name: translation.networks[item](name) for name in variables[item]}
        for item in variables
    }
    values = convert(tensors, weights, variables, translation.ignored)
    networks = _networks(config)
    for item in values:
        for name, variable in variables_by_name(networks[item]).items():
            variable.assign(values[item][name])
    return {item: networks[item] for item in values}


def _networks(config):
    generator, discriminator = building.networks_from_config(config)
    return {
        "generator": generator,
        "discriminator": discriminator,
        "ema_generator": keras.models.clone_model(generator),
    }


@functools.cache
def _variables(config):
    """Returns variables that nobody changes: `convert` needs only their shapes."""
    return {
        item: variables_by_name(network) for item, network in _networks(config).items()
    }


def draw(generator, recording):
    """Draws images in the layout of the recorded ones, channels first."""
    inputs = recording.z
    if "labels" in recording.arrays:
        inputs = [inputs, recording.labels]
    images = np.moveaxis(np.asarray(generator(inputs, training=False)), -1, 1)
    return images if images.shape[-1] <= 32 else images[:, :, ::3, ::3]


def judge(discriminator, recording, pictures=None):
    """Returns logits of the recorded images, or of others."""
    pictures = recording.x if pictures is None else pictures
    inputs = np.moveaxis(pictures, 1, -1)
    if "labels" in recording.arrays:
        inputs = [inputs, recording.labels]
    return np.asarray(discriminator(inputs, training=False))


def refusal(layout, tensors, given=None):
    """Returns the one-line error with which an import of these tensors ends."""
    with pytest.raises(ValueError) as error:
        networks_of(layout.translate(tensors, given or {}), tensors)
    message = str(error.value)
    assert "\n" not in message
    return message


def without(tensors, name):
    """Returns all tensors except one."""
    assert name in tensors
    return {key: array for key, array in tensors.items() if key != name}


def state_dicts(recording):
    """Returns the tensors of each file: role ("G", "D", ...) to a dict by name."""
    files = {}
    for name, array in recording.tensors.items():
        role, _, name = name.partition("/")
        files.setdefault(role, {})[name] = array
    return files
