"""From undecoded elements to batches: order, resume, share, crop, resize, flip, batch.

With N images, image p of the stream is number p mod N of epoch p // N. Its place in the
order and its flip are functions of (seed, p) alone: a run that starts at image p sees
what an uninterrupted run would have seen.
"""

import numpy as np
import tensorflow as tf

from sagan_tf.data.source import FLIP, seed_pair
from sagan_tf.data.verification import naming_bad_image
from sagan_tf.errors import BadInput
from sagan_tf.images import adapt_channels, center_crop_and_resize, from_pixels
from sagan_tf.progress import progress_bar


# AutoGraph would rewrite every function that a data set maps, which takes seconds.
@tf.autograph.experimental.do_not_convert
def make_dataset(
    source,
    *,
    resolution,
    image_channels,
    batch_size,
    seed,
    start_image=0,
    shuffle=True,
    shuffle_buffer_images=16384,
    resize="antialiased_bilinear",
    flip=False,
    num_input_pipelines=1,
    input_pipeline_index=0,
    repeat=True,
    drop_remainder=True,
    labelled=True,
    with_indices=False,
    cache_bytes=2**30,
):
    """Makes batches of images and labels, deterministic and resumable.

    Pipeline k of n takes the images k, k + n, k + 2n, ... of each global batch, which
    has the same images for any n. Every pipeline reads all records of a TFRecord source
    and decodes its own.

    Args:
      source: a `Source`.
      resolution: R, side of the images.
      image_channels: C, 1 or 3.
      batch_size: images in a global batch, of all pipelines together.
      seed: decides the order and the flips.
      start_image: images that all pipelines together have used.
      shuffle, shuffle_buffer_images: see `Source.epoch`.
      resize: one of `images.RESIZE_METHODS`.
      flip: mirror a random half of the images.
      num_input_pipelines, input_pipeline_index: n and k.
      repeat: False stops after the epoch of `start_image`.
      drop_remainder: leave out a last batch that is not full (without `repeat`).
      labelled: False to leave out the labels.
      with_indices: True to add the indices in the source, int64 `(b,)`.
      cache_bytes: a source with random access (digits, npz, folder) is decoded once,
        now, and kept in memory if its images take no more than this.

    Returns:
      `tf.data.Dataset` of (images float32 `(b, R, R, C)` in [-1, 1], labels int32
      `(b,)`), b = batch_size / n; of images alone if there are no labels.

    Raises:
      BadInput: the numbers do not fit, or an image that is decoded now is bad.
    """
    check_batch(source, batch_size)
    if batch_size < 1 or batch_size % num_input_pipelines:
        raise BadInput(
            "batch_size must be a multiple of the number of input pipelines. Received: "
            f"batch_size={batch_size}, num_input_pipelines={num_input_pipelines}."
        )
    if start_image < 0:
        raise BadInput(f"start_image must not be negative. Received: {start_image}.")
    elements = source.stream(seed, start_image, shuffle, shuffle_buffer_images, repeat)
    if flip:
        elements = _with_flips(elements, seed, start_image)
    elements = elements.shard(num_input_pipelines, input_pipeline_index)

    def decode(element):
        decoded = source.decode(element)
        pixels = adapt_channels(decoded["image"], image_channels)
        pixels = center_crop_and_resize(pixels, resolution, resize)
        return {**element, "pixels": pixels, "label": decoded["label"]}

    share = batch_size // num_input_pipelines
    size = source.total * resolution**2 * image_channels
    if source.random_access and size <= cache_bytes:
        look_up = _decode_all(source, decode, (resolution, resolution, image_channels))
        batches = elements.batch(share, drop_remainder).map(look_up)
    else:
        images = elements.map(decode, tf.data.AUTOTUNE, deterministic=True)
        batches = images.batch(share, drop_remainder)
    finish = _finisher(flip, labelled and source.num_classes, with_indices)
    batches = batches.map(finish, tf.data.AUTOTUNE, deterministic=True)
    options = tf.data.Options()
    options.deterministic = True
    # The pipelines divide the images themselves, in the same way for any number.
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    return batches.prefetch(tf.data.AUTOTUNE).with_options(options)


def check_batch(source, batch_size):
    """Checks that a data set has enough images for a batch of all pipelines together.

    Raises:
      BadInput: it has fewer images.
    """
    if source.num_images < batch_size:
        raise BadInput(
            f"A batch needs {batch_size:,} images. Received: {source.description}, "
            f"{source.num_images:,} of them usable. Try a smaller --batch_size or more "
            "images."
        )


def _with_flips(elements, seed, start_image):
    """Adds "flip", a random bool for each place in the stream."""

    def toss(position, element):
        pair = seed_pair(seed, FLIP, position)
        coin = tf.random.stateless_uniform([], pair, alg="philox") < 0.5
        return {**element, "flip": coin}

    return elements.enumerate(start_image).map(toss)


def _finisher(flip, labelled, with_indices):
    """Returns a function from elements to (images, labels, indices), or to images."""

    def finish(batch):
        images = from_pixels(batch["pixels"])
        if flip:
            mirrored = tf.reverse(images, axis=[2])
            images = tf.where(batch["flip"][:, None, None, None], mirrored, images)
        labels = [batch["label"]] if labelled else []
        indices = [batch["index"]] if with_indices else []
        parts = (images, *labels, *indices)
        return parts if len(parts) > 1 else images

    return finish


def _decode_all(source, decode, shape):
    """Decodes every image; returns a function that looks up batches of them."""
    pixels = np.zeros([source.total, *shape], np.uint8)
    labels = np.zeros([source.total], np.int32)
    elements = source.epoch(0, 0, shuffle=False)
    decoded = elements.map(decode, tf.data.AUTOTUNE, deterministic=True).batch(64)
    with (
        naming_bad_image(source, seed=0, shuffle=False),
        progress_bar("Reading images", source.num_images) as progress,
    ):
        for batch in decoded.prefetch(tf.data.AUTOTUNE).as_numpy_iterator():
            pixels[batch["index"]] = batch["pixels"]
            labels[batch["index"]] = batch["label"]
            progress.update(len(batch["index"]))
    pixels, labels = tf.constant(pixels), tf.constant(labels)

    def look_up(batch):
        images, given = (tf.gather(part, batch["index"]) for part in (pixels, labels))
        return {**batch, "pixels": images, "label": given}

    return look_up
