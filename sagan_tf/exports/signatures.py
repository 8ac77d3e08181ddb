"""The signatures of an exported generator: functions of tensors, for a SavedModel.

N is the number of images, R that of rows and columns, C that of channels. The first
dimension of all inputs and outputs is N, as TensorFlow Serving's batching and its JSON
of rows require.

serving_default  z (N, z_dim) float32, labels (N,) int32 -> pixels (N, R, R, C) uint8
images           the same -> images (N, R, R, C) float32 in [-1, 1]
sample           labels (N,) int32, seeds (N,) int64, truncation (N,) float32 -> pixels
sample_png       the same -> png_bytes (N,) string, one PNG file for each image
attention        z, labels -> pixels and, under the name of each attention layer, its
                 map (N, H, W, K, L) float32, see `with_attention_scores`

An unconditional generator takes no labels. A generator without attention layers has no
`attention`. `sample` and `sample_png` draw z as `sagan_tf.sample` does, and compute one
image after another, so an image has the same bits whatever N and the other images are.
The other signatures compute all N images together, which is faster. `truncation` means
the same as in `sagan_tf.sample`, except that 0 means none: z ~ N(0, I).
"""

import functools

import tensorflow as tf

from sagan_tf import images
from sagan_tf.model import latents
from sagan_tf.model.generating import generate
from sagan_tf.networks.attention_scores import attention_layers, with_attention_scores

# Stands for the `None` of `latents.draw_z`, because a tensor cannot be `None`. For a
# real truncation of 0, clients can give a z of zeros to the other signatures.
NO_TRUNCATION = 0.0


def make_signatures(generator, num_classes=0):
    """Returns the functions of the signatures and their input specs.

    The functions raise an `InvalidArgument` error that names a wrong input: a label
    that is no class, inputs of unequal N, no images, another rank or z_dim, z that is
    not finite, a truncation that is negative or not finite.

    Args:
        generator: from `fold_generator`, or another functional `keras.Model` with the
            inputs and the output of `build_generator`.
        num_classes: int, 0 for an unconditional generator.

    Returns:
        Dict of signature name to a pair: a function of tensors that returns a dict of
        name to tensor, and the list of its inputs, `tf.TensorSpec` with names.
    """
    labels = [tf.TensorSpec([None], tf.int32, name="labels")] if num_classes else []
    z = [tf.TensorSpec([None, _z_dim(generator)], tf.float32, name="z"), *labels]
    seeds = [
        *labels,
        tf.TensorSpec([None], tf.int64, name="seeds"),
        tf.TensorSpec([None], tf.float32, name="truncation"),
    ]
    with_maps = with_attention_scores(generator)

    def to_images(*inputs):
        return {"images": generate(generator, *_checked(inputs, z, num_classes))}

    def to_pixels(*inputs):
        return {"pixels": images.to_pixels(to_images(*inputs)["images"])}

    def to_maps(*inputs):
        maps = dict(generate(with_maps, *_checked(inputs, z, num_classes)))
        return {"pixels": images.to_pixels(maps.pop("output")), **maps}

    from_seeds = functools.partial(_from_seeds, generator, seeds, num_classes)
    signatures = {
        "serving_default": (to_pixels, z),
        "images": (to_images, z),
        "sample": (from_seeds("pixels"), seeds),
        "sample_png": (from_seeds("png_bytes"), seeds),
    }
    if attention_layers(generator):
        signatures["attention"] = (to_maps, z)
    return signatures


def _z_dim(generator):
    return generator.inputs[0].shape[-1]


def _from_seeds(generator, specs, num_classes, output):
    """Returns a function of labels (if there are classes), seeds and truncation."""
    returned = tf.TensorSpec([], tf.string)
    if output == "pixels":
        returned = tf.TensorSpec(generator.output.shape[1:], tf.uint8)

    def one(inputs):
        z, *labels = (value[None] for value in inputs)
        pixels = images.to_pixels(generate(generator, z, *labels))[0]
        return pixels if output == "pixels" else tf.io.encode_png(pixels)

    def from_seeds(*inputs):
        *labels, seeds, truncation = _checked(inputs, specs, num_classes)
        z = draw_z(seeds, _z_dim(generator), truncation)
        return {output: tf.map_fn(one, (z, *labels), fn_output_signature=returned)}

    return from_seeds


def draw_z(seeds, z_dim, truncation):
    """Does `latents.draw_z` with a truncation for each image.

    Args:
        seeds: `(N,)` int64 tensor.
        z_dim: int, length of z.
        truncation: `(N,)` float32 tensor, `NO_TRUNCATION` for z ~ N(0, I).

    Returns:
        `(N, z_dim)` float32 tensor.
    """
    normal = latents.draw_z(seeds, z_dim)
    cut = truncation[:, None] * latents.draw_z(seeds, z_dim, truncation=1.0)
    return tf.where(truncation[:, None] == NO_TRUNCATION, normal, cut)


def _checked(inputs, specs, num_classes):
    """Returns the list of inputs, which exist only after all checks have passed."""
    # A server feeds any shape: only `ensure_shape` checks the rank.
    inputs = [tf.ensure_shape(x, spec.shape) for x, spec in zip(inputs, specs)]
    names = [spec.name for spec in specs]
    counts = tf.stack([tf.shape(x)[0] for x in inputs])
    fine = (counts == counts[0]) & (counts[0] > 0)
    rules = [(fine, f"{', '.join(names)} must have equal lengths, 1 or more.", counts)]
    for name, x in zip(names, inputs):
        if name == "labels":
            limits = f"labels must be from 0 to {num_classes - 1}."
            rules.append(((x >= 0) & (x < num_classes), limits, x))
        elif name == "truncation":
            limits = f"truncation must be above 0, or {NO_TRUNCATION:g} for none."
            rules.append(((x >= 0) & tf.math.is_finite(x), limits, x))
        elif name == "z":
            rules.append((tf.math.is_finite(x), "z must be finite numbers.", x))
    checks = [
        tf.debugging.Assert(
            tf.reduce_all(fine), [f"{limits} Received:", x], summarize=16
        )
        for fine, limits, x in rules
    ]
    with tf.control_dependencies(checks):
        return [tf.identity(x) for x in inputs]
