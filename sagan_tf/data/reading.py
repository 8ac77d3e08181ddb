"""Reads images of a data set once, with a progress bar and errors that name images."""

from sagan_tf.data.pipeline import make_dataset
from sagan_tf.data.verification import naming_bad_image
from sagan_tf.progress import progress_bar


def read_once(
    source,
    *,
    resolution,
    image_channels,
    count=None,
    batch_size=64,
    seed=0,
    shuffle=True,
    shuffle_buffer_images=16384,
    resize="antialiased_bilinear",
    labelled=True,
    what="Reading images",
    remedy="--skip_bad_images to leave it out",
):
    """Yields the first images of epoch 0, each once.

    Args:
      count: images in all; None for all of the data set.
      batch_size: images in a batch; the last one may hold fewer.
      labelled: False to leave out the labels.
      what: the title of the progress bar.
      remedy: see `naming_bad_image`.
      source, resolution, image_channels, seed, shuffle, shuffle_buffer_images, resize:
        see `make_dataset`.

    Yields:
      images float32 `(n, R, R, C)` in [-1, 1], labels int32 `(n,)` or None, indices in
      the source int64 `(n,)`.

    Raises:
      BadInput: an image cannot be read; the error names it.
    """
    order = {"seed": seed, "shuffle": shuffle}
    order |= {"shuffle_buffer_images": shuffle_buffer_images}
    batches = make_dataset(
        source,
        resolution=resolution,
        image_channels=image_channels,
        batch_size=min(batch_size, source.num_images),
        resize=resize,
        repeat=False,
        drop_remainder=False,
        labelled=labelled,
        with_indices=True,
        cache_bytes=0,  # Each image is read once, and perhaps not all of them.
        **order,
    )
    left = source.num_images if count is None else min(count, source.num_images)
    with (
        naming_bad_image(source, remedy=remedy, **order),
        progress_bar(what, left) as progress,
    ):
        for images, *labels, indices in batches.as_numpy_iterator():
            labels = labels[0][:left] if labels else None
            yield images[:left], labels, indices[:left]
            progress.update(min(left, len(images)))
            left -= len(images)
            if left <= 0:
                return
