"""Makers of images and records for the tests."""

import io

import numpy as np
import tensorflow as tf
from PIL import Image


def random_pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(picture, kind, **options):
    """The bytes of an image file; `picture` is an array or a Pillow image."""
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def example(image=None, label=None):
    """A serialized record with extra features, as in the official files."""
    features = {
        "height": tf.train.Feature(int64_list=tf.train.Int64List(value=[128])),
        "zoom": tf.train.Feature(float_list=tf.train.FloatList(value=[0.5])),
    }
    if image is not None:
        image = tf.train.BytesList(value=[image])
        features["image_raw"] = tf.train.Feature(bytes_list=image)
    if label is not None:
        label = tf.train.Int64List(value=[label])
        features["label"] = tf.train.Feature(int64_list=label)
    features = tf.train.Features(feature=features)
    return tf.train.Example(features=features).SerializeToString()


def damage(path, value):
    """Changes one byte of the first image that is filled with `value`."""
    with open(path, "rb") as file:
        data = bytearray(file.read())
    data[data.index(bytes([value]) * 100) + 50] ^= 1
    with open(path, "wb") as file:
        file.write(data)


def write_records(path, records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
