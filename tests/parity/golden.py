"""Numbers recorded from the official code, and our networks in its recorded state.

The files in `golden/` were recorded from brain-research/self-attention-gan at commit
ad9612e: float32 values with genuine TensorFlow 1.5, `exact` and `f64/` values with the
same files in float64.
"""

import contextlib
import functools
import json
import os
import pathlib
import re

import keras
import numpy as np

from sagan_tf.importers.official_tf1 import our_name
from sagan_tf.model.sagan import SAGAN
from sagan_tf.networks.builders import build_discriminator, build_generator

FOLDER = pathlib.Path(__file__).parent / "golden"

# Attention resolution of each recorded configuration.
CONFIGURATIONS = {
    "A_attn32": (32,),
    "A_attn32_warm": (32,),
    "B_attn64": (64,),
    "C_baseline": (),
}


def part(layer, path):
    """Returns the sub-layer with the official name `path` ("" for `layer` itself)."""
    # The networks have no blocks without spectral norm, but one was recorded.
    path = re.sub(r"^conv(?=\d)", "snconv", path)
    for name in filter(None, our_name(path).split("/")):
        layer = next(
            each
            for each in layer._flatten_layers(recursive=False, include_self=False)
            if each.name == name
        )
    return layer


def variable(layer, path):
    """Returns the variable of `layer` that the official code calls `path`.

    Args:
        layer: one of our layers.
        path: e.g. `"snconv1/w"`, `"cbn_0/gamma"`, `"u"`, `"sigma_ratio"`.
    """
    scope, _, name = path.rpartition("/")
    layer, name = part(layer, scope), our_name(name)
    return getattr(layer if hasattr(layer, name) else layer.layer, name)


def layer_of(network, scope):
    """Returns the layer of a network that the official code calls `scope`."""
    sizes = [n.name.split("x")[-1] for n in network.layers if "attention" in n.name]
    name, *parts = our_name(scope, *sizes).split("/")
    layer = network.get_layer(name)
    return getattr(layer, parts[0]) if parts else layer


def model_layer(model, name):
    """Returns our layer of the official scope `model/<scope>/<rest>`, and `<rest>`."""
    _, scope, *rest = name.split("/", 2)
    network = model.generator if scope.startswith("g_") else model.discriminator
    return layer_of(network, scope), "".join(rest)


def model_variable(model, name):
    """Returns our variable of the official full name `model/...`."""
    return variable(*model_layer(model, name))


class FixedLatents(SAGAN):
    """SAGAN with the z and fake labels of the recordings."""

    def fix(self, z, labels):
        self.fixed_z, self.fixed_labels = z, labels

    def draw_latents(self, draw, count, real_labels=None, pairs=False):
        return self.fixed_z, self.fixed_labels


class RecordingAdam(keras.optimizers.Adam):
    """Adam that keeps the gradients of its last step, by variable."""

    def apply(self, gradients, variables):
        self.gradients = {id(v): g for g, v in zip(gradients, variables, strict=True)}
        super().apply(gradients, variables)


class Golden:
    """One recorded configuration: its data, and our model in its initial state."""

    def __init__(self, name):
        self.name = name
        self.data = np.load(FOLDER / f"lite_{name}.npz")
        self.meta = json.loads(str(self.data["meta"]))
        self.z = self.data["input/z"]
        self.fake_labels = keras.ops.convert_to_tensor(self.data["input/gen_labels"])
        self.real_images = self.data["input/real_images"]
        self.real_labels = keras.ops.convert_to_tensor(self.data["input/real_labels"])

    def __getitem__(self, key):
        return self.data[key]

    def keys(self, prefix):
        """Returns the parts of the keys after `prefix`."""
        return [k[len(prefix) :] for k in self.data.files if k.startswith(prefix)]

    def model(self, beta_2=0.999):
        """Returns our compiled SAGAN with the recorded weights, in the global dtype.

        All models of a configuration and dtype share their networks: use only one of
        them at a time.
        """
        model, initial = _compiled(self.name, keras.config.floatx())
        restore(model, initial)
        for optimizer in (model.generator_optimizer, model.discriminator_optimizer):
            optimizer.beta_2 = beta_2
            for variable in optimizer.variables:
                if variable.name != "learning_rate":
                    variable.assign(keras.ops.zeros_like(variable))
        model.reset_metrics()
        model.fix(self.cast(self.z), self.fake_labels)
        return model

    def cast(self, array):
        return keras.ops.convert_to_tensor(array, keras.config.floatx())

    def packed(self, group, skip=()):
        """Yields (name, flat indices, values, largest magnitude) of a packed group."""
        names = self.data[f"{group}/names"]
        owner = self.data[f"{group}/var"]
        for index, name in enumerate(names):
            chosen = owner == index
            if name not in skip and chosen.any():
                yield (
                    str(name),
                    self.data[f"{group}/idx"][chosen],
                    self.data[f"{group}/val"][chosen],
                    self.data[f"{group}/maxabs"][index],
                )


@functools.cache
def recording(name):
    """Reads a recorded configuration, once."""
    return Golden(name)


@functools.cache
def _compiled(name, floatx):
    """Returns a model in the global dtype, and both networks' recorded weights."""
    assert keras.config.floatx() == floatx
    golden = recording(name)
    meta = golden.meta
    common = {
        "num_classes": meta["num_classes"],
        "channels": meta["gf_dim"],
        "attention_resolution": CONFIGURATIONS[name],
    }
    networks = (
        build_generator(z_dim=meta["z_dim"], batch_norm_debias=False, **common),
        build_discriminator(**common),
    )
    model = FixedLatents(*networks, num_classes=meta["num_classes"])
    adam = {"beta_1": 0.0, "epsilon": meta["adam_eps"]}
    model.compile(
        RecordingAdam(meta["g_lr"], **adam), RecordingAdam(meta["d_lr"], **adam)
    )
    for path in golden.keys("var/"):
        assign(model_variable(model, path), golden["var/" + path])
    return model, snapshot(model, "generator", "discriminator")


def snapshot(model, *items):
    """Returns the values for `restore`: dict of the item's name to its values.

    Args:
        model: `SAGAN`.
        items: names of networks and optimizers: `"generator"`,
            `"generator_optimizer"` and those of the discriminator.
    """
    return {
        item: [value.numpy() for value in getattr(model, item).variables]
        for item in items
    }


def restore(model, arrays):
    """Restores the weights and the optimizers of a snapshot."""
    for item, values in arrays.items():
        for variable, array in zip(getattr(model, item).variables, values, strict=True):
            variable.assign(array)


@contextlib.contextmanager
def dtype_scope(name):
    """Sets Keras' global dtype, e.g. `"float64"`, for a while."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(name)
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_dtype_policy(before[1])


def assign(ours, recorded):
    """Assigns a recorded array; the official statistics are (1, 1, 1, C)."""
    ours.assign(np.asarray(recorded).reshape(ours.shape))


def value(ours):
    """Returns a variable or tensor as a float64 array."""
    return np.asarray(keras.ops.convert_to_numpy(ours), np.float64)


def true_size_weights(meta, stored):
    """Makes the weights of the true-size recording, by its recipe.

    Yields (name, array); `stored` holds the moving statistics.
    """
    import zlib

    for name, shape in meta["variables"]:
        seed = zlib.crc32(f"{meta['seed']}:{name}".encode()) & 0xFFFFFFFF
        random = np.random.RandomState(seed)
        last = os.path.basename(name)
        if "var/" + name in stored:
            array = stored["var/" + name]
        elif last in ("w", "Matrix", "embedding_map"):
            fans = (shape[-2] + shape[-1]) * np.prod(shape[:-2])
            limit = np.sqrt(6 / fans)
            array = random.uniform(-limit, limit, size=shape)
        elif last == "u":
            array = np.clip(random.standard_normal(shape), -2, 2)
        elif last in ("biases", "bias"):
            array = 0.1 * random.standard_normal(shape)
        elif last == "gamma":
            array = random.uniform(0.5, 1.5, size=shape)
        elif last == "beta":
            array = 0.3 * random.standard_normal(shape)
        elif last == "sigma_ratio":
            array = random.uniform(0.3, 0.7, size=())
        yield name, np.asarray(array, np.float32)
