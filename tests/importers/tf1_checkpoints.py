"""TensorFlow 1 checkpoints like those of the official programs, from recordings.

See recordings/README.md; the official code's recordings are those of the parity tests.
"""

import json
import os
import pathlib
import zlib

import numpy as np
import tensorflow as tf

from tests.parity.golden import FOLDER as PARITY

TFGAN = pathlib.Path(__file__).parent / "recordings" / "tfgan_example.npz"


def write(folder, tensors, name="model.ckpt-1"):
    """Writes a V2 checkpoint; returns its prefix.

    Args:
        folder: path, created if it does not exist.
        tensors: dict of name to array.
    """
    folder.mkdir(parents=True, exist_ok=True)
    prefix = str(folder / name)
    names = sorted(tensors)
    tf.raw_ops.SaveV2(
        prefix=prefix + "-part",
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(tensors[each]) for each in names],
    )
    tf.raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=[prefix + "-part"], destination_prefix=prefix
    )
    (folder / "checkpoint").write_text(
        f'model_checkpoint_path: "/where/it/was/trained/{name}"\n'
    )
    return prefix


def official(configuration="A_attn32"):
    """Returns a checkpoint of the official program: dict of name to array.

    It has the recorded variables, and those of the optimizers and counters.
    """
    data = np.load(PARITY / f"lite_{configuration}.npz")
    tensors = {k[4:]: data[k] for k in data.files if k.startswith("var/")}
    meta = json.loads(str(data["meta"]))
    for name in (*meta["trainable_g"], *meta["trainable_d"]):
        for slot in ("Adam", "Adam_1"):
            tensors[f"{name}/{slot}"] = np.full_like(tensors[name], 0.5)
    for name in ("beta1_power", "beta2_power", "beta1_power_1", "beta2_power_1"):
        tensors[name] = np.float32(0.25)
    return {**tensors, "global_step": np.int64(1234)}


def tfgan_example(kind):
    """Returns a checkpoint of TF-GAN's example: dict of name to array.

    Args:
        kind: `"large"` if every sigma is above 1, `"small"` if many are below.
    """
    meta = json.loads(str(np.load(TFGAN)["meta"]))
    gain = meta["gains"][kind]
    return {
        name: _drawn(name, shape, gain, meta["seed"])
        for name, shape in meta["variables"]
    }


def _drawn(name, shape, gain, seed):
    random = np.random.RandomState(zlib.crc32(f"{seed}:{name}".encode()) & 0xFFFFFFFF)
    last = os.path.basename(name)
    if last == "global_step":
        return np.int64(1234)
    if last in ("kernel", "weights", "embedding_map"):
        fans = (shape[-2] + shape[-1]) * np.prod(shape[:-2])
        limit = gain * np.sqrt(6 / fans)
        array = random.uniform(-limit, limit, size=shape)
    elif last in ("gamma", "moving_variance", "sigma_ratio"):
        low, high = {"gamma": (0.5, 1.5), "sigma_ratio": (0.3, 0.7)}.get(last, (0.5, 2))
        array = random.uniform(low, high, size=shape)
    elif last.startswith(("Adam", "beta1_", "beta2_")):
        array = np.full(shape, 0.25)
    else:
        scale = {"bias": 0.1, "beta": 0.3, "moving_mean": 0.2, "spectral_norm_u": 1}
        array = scale[last] * random.standard_normal(shape)
    return np.asarray(array, np.float32)
