"""What an exported generator answers: functions of tensors, ready for a SavedModel.

N pictures, R rows and columns, C channels. Of all inputs and outputs the first
dimension is N, as TensorFlow Serving's batching and its JSON of rows want it.

serving_default  z (N, z_dim) float32, labels (N,) int32 -> pixels (N, R, R, C) uint8
images           the same -> images (N, R, R, C) float32 in [-1, 1]
sample           labels (N,) int32, seeds (N,) int64, truncation (N,) float32 -> pixels
sample_png       the same -> png_bytes (N,) string, a PNG file each
attention        z, labels -> pixels and, for each attention layer, under its name, its
                 map (N, H, W, K, L) float32, see `with_attention_scores`

An unconditional generator takes no labels, and one without attention layers has no
`attention`. `sample` and `sample_png` draw z as `sagan_tf.sample` does, and compute
one picture after the other: a picture has the same bits whatever N is and whichever
others are with it. The other signatures compute all N together, which is faster.
`truncation` is that of `sagan_tf.sample`, but for 0, which is none: z ~ N(0, I).
"""

import tensorflow as tf

from sagan_tf import images
from sagan_tf.model import latents
from sagan_tf.model.generating import generate
from sagan_tf.networks.attention_scores import attention_layers, with_attention_scores

# In place of the `None` of `latents.draw_z`, which no tensor can be. A z of zeros, that
# of a truncation of 0, can be given to the other signatures.
NO_TRUNCATION = 0.0


def make_signatures(generator, num_classes=0):
    """The functions, which check their inputs, and the inputs that they take.

    What is wrong with an input (a label that is no class, inputs of unequal N, no
    picture at all, another rank or z_dim, z that is not finite, a truncation that is
    negative or not finite) ends in an `InvalidArgument` error that names it.

    Args:
        generator: from `fold_generator`, or another functional `keras.Model` with the
            inputs and the output of `build_generator`'s.
        num_classes: int, 0 for an unconditional generator.

    Returns:
        Dict of the signature's name to a function of tensors, which returns a dict of
        name to tensor, and the list of its inputs, `tf.TensorSpec` with names.
    """
    labels = [tf.TensorSpec([None], tf.int32, name="labels")] if num_classes else []
    z = [tf.TensorSpec([None, _z_dim(generator)], tf.float32, name="z"), *labels]
    seeds = [
        *labels,
        tf.TensorSpec([None], tf.int64, name="seeds"),
        tf.TensorSpec([None], tf.float32, name="truncation"),
    ]
    found = {
        "serving_default": (_from_z(generator, z, num_classes, "pixels"), z),
        "images": (_from_z(generator, z, num_classes, "images"), z),
        "sample": (_from_seeds(generator, seeds, num_classes, "pixels"), seeds),
        "sample_png": (_from_seeds(generator, seeds, num_classes, "png_bytes"), seeds),
    }
    if attention_layers(generator):
        found["attention"] = (_with_maps(generator, z, num_classes), z)
    return found


def _z_dim(generator):
    return generator.inputs[0].shape[-1]


def _from_z(generator, specs, num_classes, output):
    """z and perhaps labels to pixels or images."""

    def from_z(*inputs):
        z, *labels = _checked(inputs, specs, num_classes)
        made = generate(generator, z, *labels)
        return {output: images.to_pixels(made) if output == "pixels" else made}

    return from_z


def _from_seeds(generator, specs, num_classes, output):
    """Perhaps labels, then seeds and truncation, to pixels or PNG files."""
    shape = generator.output.shape[1:]
    returned = {
        "pixels": tf.TensorSpec(shape, tf.uint8),
        "png_bytes": tf.TensorSpec([], tf.string),
    }[output]

    def one(inputs):
        z, *labels = (value[None] for value in inputs)
        pixels = images.to_pixels(generate(generator, z, *labels))[0]
        return pixels if output == "pixels" else tf.io.encode_png(pixels)

    def from_seeds(*inputs):
        *labels, seeds, truncation = _checked(inputs, specs, num_classes)
        z = draw_z(seeds, _z_dim(generator), truncation)
        return {output: tf.map_fn(one, (z, *labels), fn_output_signature=returned)}

    return from_seeds


def _with_maps(generator, specs, num_classes):
    """z and perhaps labels to pixels and attention maps."""
    network = with_attention_scores(generator)

    def with_maps(*inputs):
        z, *labels = _checked(inputs, specs, num_classes)
        found = dict(generate(network, z, *labels))
        return {"pixels": images.to_pixels(found.pop("output")), **found}

    return with_maps


def draw_z(seeds, z_dim, truncation):
    """`latents.draw_z` with a truncation for each picture.

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
    """The inputs, which cannot be used before they are known to be sound: list."""
    # Servers feed what they get: only `ensure_shape` looks at its rank.
    inputs = [tf.ensure_shape(x, spec.shape) for x, spec in zip(inputs, specs)]
    named = {spec.name: x for x, spec in zip(inputs, specs)}
    counts = tf.stack([tf.shape(x)[0] for x in inputs])
    fine = tf.reduce_all(counts == counts[0]) & (counts[0] > 0)
    limits = f"{', '.join(named)} must be equally many, 1 or more."
    checks = [_require(fine, limits, counts)]
    if "labels" in named:
        labels = named["labels"]
        fine = tf.reduce_all((labels >= 0) & (labels < num_classes))
        limits = f"labels must be from 0 to {num_classes - 1}."
        checks.append(_require(fine, limits, labels))
    if "truncation" in named:
        truncation = named["truncation"]
        fine = tf.reduce_all((truncation >= 0) & tf.math.is_finite(truncation))
        limits = f"truncation must be above 0, or {NO_TRUNCATION:g} for none."
        checks.append(_require(fine, limits, truncation))
    if "z" in named:
        fine = tf.reduce_all(tf.math.is_finite(named["z"]))
        checks.append(_require(fine, "z must be finite numbers.", named["z"]))
    with tf.control_dependencies(checks):
        return [tf.identity(x) for x in inputs]


def _require(condition, text, received):
    return tf.debugging.Assert(condition, [f"{text} Received:", received], summarize=16)
