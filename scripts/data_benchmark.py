"""The part of scripts/benchmark.py that reads images.

The images are made from a seed. They are as large as ImageNet's: about 500 x 375 pixels
and 110 kB of JPEG. They are read from the page cache; a slower disk would limit the
speed.
"""

import functools
import io
import itertools
import os
import pathlib
import statistics
import tempfile
import time

import numpy as np
from measuring import clock, memory, summary
from PIL import Image

from sagan_tf.settings.command import load

# Heights and widths, in turn.
_SIZES = ((375, 500), (333, 500), (375, 500), (500, 375), (400, 500), (375, 500))
# Amplitudes of natural images fall about as 1 / frequency ** 1.1.
_FALL = 1.1
_QUALITY = 90
KINDS = ("folder", "tfrecord_jpeg", "tfrecord_raw")


def make_image(seed, height, width):
    """Draws a seeded image with a natural spectrum: uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    rows = np.fft.fftfreq(height)[:, None, None]
    columns = np.fft.rfftfreq(width)[None, :, None]
    frequency = np.sqrt(rows**2 + columns**2)
    frequency[0, 0] = np.inf  # No constant part.
    shape = (*frequency.shape[:2], 3)
    waves = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    waves = np.fft.irfft2(waves / frequency**_FALL, (height, width), axes=(0, 1))
    waves /= waves.std()
    tint = waves[..., 1:2] * [1, 0, -1]
    return np.clip(118 + 55 * waves[..., :1] + 12 * tint, 0, 255).astype(np.uint8)


def make_jpeg(seed):
    """Returns the bytes of one image's JPEG file."""
    image = make_image(seed, *_SIZES[seed % len(_SIZES)])
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()


def write_data(kind, folder, count, resolution):
    """Writes a data set of `count` images; returns its name for `open_source`."""
    if kind == "folder":
        for index in range(count):
            path = folder / f"class_{index % 4}" / f"{index}.jpg"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(make_jpeg(index))
        return f"folder:{folder}"
    tf = load("tensorflow")
    with tf.io.TFRecordWriter(str(folder / "train-0")) as writer:
        for index in range(count):
            if kind == "tfrecord_jpeg":
                image = make_jpeg(index)
            else:
                image = make_image(index, resolution, resolution).tobytes()
            writer.write(_record(tf.train, image, index % 4))
    return f"tfrecord:{folder}/train-*"


def _record(train, image, label):
    """A record with the official code's layout."""
    feature = {
        "image_raw": train.Feature(bytes_list=train.BytesList(value=[image])),
        "label": train.Feature(int64_list=train.Int64List(value=[label])),
    }
    example = train.Example(features=train.Features(feature=feature))
    return example.SerializeToString()


def measure_data(kind, cores, settings):
    """Measures images per second of `data.make_dataset`; runs in its own process.

    Args:
        kind: str, one of `KINDS`.
        cores: int, the number that this process may use.
        settings: dict of the script's flags.

    Returns:
        Dict.
    """
    # Before TensorFlow counts the cores.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    data = load("sagan_tf.data")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        name = write_data(kind, folder, settings["pictures"], settings["resolution"])
        size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        dataset = data.make_dataset(
            data.open_source(name),
            resolution=settings["resolution"],
            image_channels=3,
            batch_size=settings["data_batch_size"],
            seed=0,
            shuffle_buffer_images=settings["pictures"],
            cache_bytes=0,
        )
        batches = iter(dataset)
        before = memory("VmRSS")
        _read(batches, settings["data_seconds"])  # tf.data tunes itself.
        rates, wall, processor = [], [], []
        for _ in range(settings["repeats"]):
            read = functools.partial(_read, batches, settings["data_seconds"])
            count, seconds, busy = clock(read)
            images = count * settings["data_batch_size"]
            rates.append((images / seconds, images / busy))
            wall.append(seconds / images)
            processor.append(busy / images)
    return {
        "cores": cores,
        "bytes_per_picture": size / settings["pictures"],
        "images_per_second": statistics.median(rate for rate, _ in rates),
        "images_per_core_second": statistics.median(rate for _, rate in rates),
        **summary(wall, processor, before),
    }


def _read(batches, seconds):
    """Takes batches for a number of seconds; returns how many it took."""
    end = time.perf_counter() + seconds
    for count in itertools.count(1):
        next(batches)
        if time.perf_counter() > end:
            return count
