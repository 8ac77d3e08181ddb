"""Checks that an export draws what the generator draws, and writes warm-up requests.

The first request of each signature and size pays for what TensorFlow does lazily:
graph optimization, memory allocation and, on a GPU, the choice of kernels. Therefore
TensorFlow Serving replays the requests in the model's folder before it answers others
(tensorflow.org/tfx/serving/saved_model_warmup).
"""

import math
import pathlib

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from sagan_tf import images
from sagan_tf.errors import BadInput
from sagan_tf.exports.signatures import NO_TRUNCATION
from sagan_tf.files import replacing
from sagan_tf.model import latents
from sagan_tf.model.generating import generate
from sagan_tf.networks import attention_scores
from sagan_tf.progress import progress_bar

# The largest difference of images, in [-1, 1], that a different order of sums explains.
# Adjacent levels of a pixel are 80 times as far apart.
TOLERANCE = 1e-4
# The same for the formats with one network, each in its own runtime.
NETWORK_TOLERANCE = 1e-5
# Where TensorFlow Serving looks for warm-up requests, inside the SavedModel.
REQUESTS_PATH = pathlib.PurePosixPath("assets.extra/tf_serving_warmup_requests")

_BATCH = 8
_FEWEST_IMAGES, _MOST_IMAGES = 16, 64
_WARM_UP_SIZES = (1, _BATCH)
# Attention maps with more values than this are compared on one image only, and the
# warm-up requests leave them out.
_LARGEST_MAPS = 2**20


def compare(generator, served, num_classes=0):
    """Compares an export with its generator.

    Args:
        generator: `keras.Model`, with spectral normalization as in training.
        served: `ServedModel` of the export.
        num_classes: int, 0 for an unconditional generator.

    Returns:
        Dict with the largest differences for the same z and labels: `"images"`, of
        images in [-1, 1], over `"num_images"`; on the first images also `"levels"`, of
        the pixels of all signatures, in 256 levels, and `"attention"`, of the shares in
        attention maps, `None` without maps. `"tolerance"` is that of images.

    Raises:
        BadInput: images differ by more than `TOLERANCE`, or pixels by more than one
            level. Rounding can move a pixel by one level.
    """
    count = _count(num_classes)
    inputs, seeds = _inputs(generator, count, num_classes)

    def run(batch):
        return served.run("images", batch)["images"]

    difference, _ = _compare_all(generator, run, inputs, range(0, count, _BATCH))
    levels, attention = _compare_signatures(generator, served, inputs, seeds)
    _check(difference, levels, TOLERANCE)
    result = {"images": difference, "levels": levels, "attention": attention}
    return {**result, "num_images": count, "tolerance": TOLERANCE}


def compare_images(generator, run, num_classes=0):
    """Compares a network in another runtime with its generator.

    Args:
        generator, num_classes: see `compare`.
        run: function from a dict of arrays, z and possibly labels, to images. It gets a
            batch of 1 image, a batch of 3 and larger batches.

    Returns:
        Dict, see `compare`: `"images"` and `"levels"`, over all images, `"num_images"`
        and `"tolerance"`.

    Raises:
        BadInput: images differ by more than `NETWORK_TOLERANCE`, or pixels by more than
            one level.
    """
    count = _count(num_classes)
    inputs, _ = _inputs(generator, count, num_classes)
    starts = [0, 1, *range(4, count, _BATCH)]
    difference, levels = _compare_all(generator, run, inputs, starts)
    _check(difference, levels, NETWORK_TOLERANCE)
    result = {"images": difference, "levels": levels, "num_images": count}
    return {**result, "tolerance": NETWORK_TOLERANCE}


def _count(num_classes):
    return min(max(num_classes, _FEWEST_IMAGES), _MOST_IMAGES)


def _compare_all(generator, run, inputs, starts):
    """Computes the largest differences of images and of pixels, over all inputs.

    Args:
        generator, run: see `compare_images`.
        inputs: dict of z and possibly labels.
        starts: sequence of int, the first image of each batch.

    Returns:
        float, in [-1, 1], and int, in levels.
    """
    live = tf.function(
        lambda *batch: generate(generator, *batch), reduce_retracing=True
    )
    count = len(inputs["z"])
    differences, levels = [], []
    with progress_bar("Comparing", count) as bar:
        for first, last in zip(starts, [*starts[1:], count]):
            batch = _part(inputs, first, last)
            drawn, expected = run(batch), live(*batch.values()).numpy()
            differences.append(np.max(np.abs(drawn - expected)))
            with np.errstate(invalid="ignore"):  # The difference reveals a NaN.
                pixels = [images.to_pixels(each) for each in (drawn, expected)]
            levels.append(np.max(np.abs(pixels[0].astype(int) - pixels[1])))
            bar.update(len(drawn))
    return float(np.max(differences)), int(np.max(levels))


def _check(difference, levels, tolerance):
    """Raises `BadInput` for differences that rounding does not explain."""
    # A NaN fails this test too.
    if not (difference <= tolerance and levels <= 1):
        raise BadInput(
            "The export must draw what the generator draws: images that differ by at "
            f"most {tolerance:.0e} in [-1, 1], pixels by at most 1 level. Received: "
            f"{difference:.1e}, and {levels} levels. The export was removed. Try an "
            "earlier step with --checkpoint."
        )


def _inputs(generator, count, num_classes):
    """Returns z and labels of `count` images, and their request by seed."""
    z_dim = generator.inputs[0].shape[-1]
    seeds = np.arange(count, dtype=np.int64)
    labels = {}
    if num_classes:
        # All classes, or an evenly spread class for each image.
        spread = seeds * max(num_classes, count) // count % num_classes
        labels = {"labels": spread.astype(np.int32)}
    truncation = np.full(count, NO_TRUNCATION, np.float32)
    by_seed = {**labels, "seeds": seeds, "truncation": truncation}
    return {"z": latents.draw_z(seeds, z_dim).numpy(), **labels}, by_seed


def _part(arrays, first, last):
    return {name: value[first:last] for name, value in arrays.items()}


def _compare_signatures(generator, served, inputs, seeds):
    """Returns the largest differences of pixels, in levels, and of maps."""
    # The maps are whole here, even if the generator computes them in parts.
    size = _BATCH if _map_values(generator) <= _LARGEST_MAPS else 1
    inputs, seeds = _part(inputs, 0, size), _part(seeds, 0, size)
    maps = dict(
        generate(attention_scores.with_attention_scores(generator), *inputs.values())
    )
    expected = images.to_pixels(maps.pop("output")).numpy().astype(int)
    files = served.run("sample_png", seeds)["png_bytes"]
    answers = [
        served.run("serving_default", inputs)["pixels"],
        served.run("sample", seeds)["pixels"],
        np.stack([tf.io.decode_png(file) for file in files]),
    ]
    attention = None
    if maps:
        exported = served.run("attention", inputs)
        answers.append(exported.pop("pixels"))
        differences = [np.max(np.abs(exported[name] - maps[name])) for name in maps]
        attention = float(np.max(differences))
    levels = [np.max(np.abs(pixels.astype(int) - expected)) for pixels in answers]
    return int(max(levels)), attention


def warm_up_requests(generator, num_classes=0):
    """Makes a small and a larger request for each signature.

    Args:
        generator: `keras.Model`.
        num_classes: int, 0 for an unconditional generator.

    Returns:
        List of (signature, dict of input name to array), with `attention` only if its
        maps are small.
    """
    from_z = ["serving_default", "images"]
    if 0 < _map_values(generator) <= _LARGEST_MAPS:
        from_z.append("attention")
    requests = []
    for size in _WARM_UP_SIZES:
        z, seeds = _inputs(generator, size, num_classes)
        requests += [(name, z) for name in from_z]
        requests += [(name, seeds) for name in ("sample", "sample_png")]
    return requests


def write_warmup_requests(folder, requests):
    """Writes the warm-up requests of a SavedModel, and replaces earlier ones.

    Args:
        folder: path of the SavedModel.
        requests: list of (signature name, dict of input name to array), at most 1000.
            The server refuses a model with more requests, or with one that fails.

    Returns:
        `pathlib.Path` of the file: TFRecords of `PredictionLog`.

    Raises:
        OSError: the file cannot be written.
    """
    path = pathlib.Path(folder) / REQUESTS_PATH
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as temporary, tf.io.TFRecordWriter(temporary) as writer:
        for name, inputs in requests:
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            # The server does not compare this name with the name of the model.
            request.model_spec.name = "sagan"
            request.model_spec.signature_name = name
            for key, array in inputs.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(array))
            writer.write(log.SerializeToString())
    return path


def _map_values(generator):
    """Returns the number of values of an image's attention maps."""
    return sum(
        math.prod(attention_scores.map_shape(layer))
        for layer in attention_scores.attention_layers(generator)
    )
