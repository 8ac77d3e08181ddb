"""From undecoded elements to batches: order, resume, share, crop, resize, flip, batch.

The stream of training pictures is numbered: picture p is the (p mod N)-th one of epoch
p // N, for N pictures. Everything that happens to it (its place in the order, whether
it is flipped) is a function of (seed, p) alone, so that a run that starts at picture p
sees what an uninterrupted one would have seen.
"""

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from sagan_tf.data.source import error_text
from sagan_tf.data.verification import failure
from sagan_tf.errors import BadInput
from sagan_tf.images import adapt_channels, center_crop_and_resize, from_pixels

_FLIP = 11  # What the random number is for; see `source.py`.


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
    cache_bytes=2**30,
):
    """Batches of images and labels, deterministic and resumable.

    Pipeline k of n takes the pictures k, k + n, k + 2n, ... of each global batch, so
    that a global batch is the same set of pictures for any n. Every pipeline reads all
    records of a TFRecord source, and decodes its own.

    Args:
      source: a `Source`.
      resolution: R, side of the images.
      image_channels: C, 1 or 3.
      batch_size: global: pictures in a batch of all pipelines together.
      seed: decides the order and the flips.
      start_image: number of pictures already used by all pipelines together.
      shuffle: False for the order in which the pictures are stored.
      shuffle_buffer_images: size of the shuffle buffer for TFRecord sources.
      resize: one of `images.RESIZE_METHODS`.
      flip: mirror a random half of the pictures.
      num_input_pipelines, input_pipeline_index: n and k.
      repeat: go on for ever; False stops after the epoch of `start_image`.
      drop_remainder: leave out a last batch that is not full (without `repeat`).
      labelled: False to leave out the labels.
      cache_bytes: pictures of a source with random access (digits, npz, folder) are
        decoded once, now, and kept in memory if they take no more than this.

    Returns:
      `tf.data.Dataset` of (images float32 `(b, R, R, C)` in [-1, 1], labels int32
      `(b,)`), b = batch_size / n; of images alone if there are no labels.

    Raises:
      BadInput: if a batch cannot be made, or a picture that is decoded now is bad.
    """
    _check(source, batch_size, num_input_pipelines, start_image)
    elements = _elements(
        source, seed, start_image, shuffle, shuffle_buffer_images, repeat
    )
    if flip:
        elements = _with_flips(elements, seed, start_image)
    elements = elements.shard(num_input_pipelines, input_pipeline_index)

    decode = _decoder(source, resolution, image_channels, resize)
    share = batch_size // num_input_pipelines
    size = source.total * resolution**2 * image_channels
    if source.random_access and size <= cache_bytes:
        look_up = _decode_all(source, decode, (resolution, resolution, image_channels))
        batches = elements.batch(share, drop_remainder).map(look_up)
    else:
        pictures = elements.map(decode, tf.data.AUTOTUNE, deterministic=True)
        batches = pictures.batch(share, drop_remainder)
    finish = _finisher(flip, labelled and source.num_classes)
    batches = batches.map(finish, tf.data.AUTOTUNE, deterministic=True)
    return batches.prefetch(tf.data.AUTOTUNE).with_options(_options())


def name_bad_image(
    source,
    *,
    seed,
    start_image=0,
    count=None,
    shuffle=True,
    shuffle_buffer_images=16384,
):
    """Finds the picture that made a dataset fail.

    Args:
      source, seed, shuffle, shuffle_buffer_images: as given to `make_dataset`.
      start_image: number of pictures that were certainly good.
      count: how many to try at most; None for an epoch. A pipeline is some batches
        ahead of the training, but the first bad picture ends the search.

    Returns:
      one line that names the file and says what is wrong with it; None if all are good.
    """
    elements = _elements(
        source, seed, start_image, shuffle, shuffle_buffer_images, True
    )
    try:
        for element in elements.take(source.num_images if count is None else count):
            problem = failure(source, element)
            if problem:
                return problem
    except tf.errors.OpError as error:  # The file itself is damaged, not a picture.
        return source.damaged_file() or error_text(error)
    return None


def _check(source, batch_size, num_input_pipelines, start_image):
    if batch_size < 1 or batch_size % num_input_pipelines:
        raise BadInput(
            "batch_size must be a multiple of the number of input pipelines. Received: "
            f"batch_size={batch_size}, num_input_pipelines={num_input_pipelines}."
        )
    if source.num_images < batch_size:
        raise BadInput(
            f"A batch needs {batch_size} pictures. Received: {source.description}, "
            f"{source.num_images} of them usable. Try a smaller --batch_size or more "
            "pictures."
        )
    if start_image < 0:
        raise BadInput(f"start_image must not be negative. Received: {start_image}.")


def _elements(source, seed, start_image, shuffle, shuffle_buffer_images, repeat):
    """The stream of elements from picture `start_image` on."""
    first_epoch, used = divmod(start_image, source.num_images)

    def one_epoch(epoch):
        elements = source.epoch(seed, epoch, shuffle, shuffle_buffer_images)
        used_now = tf.where(tf.equal(epoch, first_epoch), used, 0)
        return elements.skip(tf.cast(used_now, tf.int64))

    last_epoch = np.iinfo(np.int64).max if repeat else first_epoch + 1
    return tf.data.Dataset.range(first_epoch, last_epoch).flat_map(one_epoch)


def _with_flips(elements, seed, start_image):
    """Adds "flip", a coin that is tossed for a place in the stream."""
    pair = tf.stack([tf.cast(seed, tf.int64), tf.constant(_FLIP, tf.int64)])

    def toss(position, element):
        coin_seed = tf.random.fold_in(pair, position, alg="philox")
        coin = tf.random.stateless_uniform([], coin_seed, alg="philox") < 0.5
        return {**element, "flip": coin}

    return elements.enumerate(start_image).map(toss)


def _decoder(source, resolution, image_channels, resize):
    """Element -> element with "pixels" uint8 `(R, R, C)` and "label"."""

    def decode(element):
        decoded = source.decode(element)
        pixels = adapt_channels(decoded["image"], image_channels)
        pixels = center_crop_and_resize(pixels, resolution, resize)
        return {**element, "pixels": pixels, "label": decoded["label"]}

    return decode


def _finisher(flip, labelled):
    """Batch of decoded elements -> (images, labels), or images alone."""

    def finish(batch):
        images = from_pixels(batch["pixels"])
        if flip:
            mirrored = tf.reverse(images, axis=[2])
            images = tf.where(batch["flip"][:, None, None, None], mirrored, images)
        return (images, batch["label"]) if labelled else images

    return finish


def _decode_all(source, decode, shape):
    """Decodes every picture; returns a function that looks batches of them up."""
    pixels = np.zeros([source.total, *shape], np.uint8)
    labels = np.zeros([source.total], np.int32)
    elements = source.epoch(0, 0, shuffle=False)
    decoded = elements.map(decode, tf.data.AUTOTUNE, deterministic=True).batch(64)
    progress = tqdm(
        total=source.num_images,
        desc="Reading pictures",
        unit=" pictures",
        delay=2,
        leave=False,
        disable=None,  # Not in a log file.
    )
    try:
        for batch in decoded.prefetch(tf.data.AUTOTUNE).as_numpy_iterator():
            pixels[batch["index"]] = batch["pixels"]
            labels[batch["index"]] = batch["label"]
            progress.update(len(batch["index"]))
    except tf.errors.OpError as error:
        problem = name_bad_image(source, seed=0, shuffle=False) or error_text(error)
        raise BadInput(
            f"{problem} Try replacing it, or --skip_bad_images to leave it out."
        ) from error
    finally:
        progress.close()
    pixels, labels = tf.constant(pixels), tf.constant(labels)

    def look_up(batch):
        index = batch["index"]
        return {
            **batch,
            "pixels": tf.gather(pixels, index),
            "label": tf.gather(labels, index),
        }

    return look_up


def _options():
    options = tf.data.Options()
    options.deterministic = True
    # Sharing among pipelines is done above, the same way for any number of them.
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.OFF
    )
    return options
