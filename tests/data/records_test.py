"""Data sets in TFRecord files: names, order, and the way to the start."""

import pytest
import tensorflow as tf

from sagan_tf.data import make_dataset, open_source

from .samples import encoded, example, random_pixels, write_records


def test_a_record_is_named_by_its_file_and_place(records):
    source = open_source(f"tfrecord:{records}")
    places = {0: "0.tfrecords, record 0", 8: "0.tfrecords, record 8"}
    places |= {9: "1.tfrecords, record 0", 22: "2.tfrecords, record 12"}
    for index, place in places.items():
        assert source.name(index) == records.replace("*", place)


@pytest.mark.parametrize("shuffle_buffer_images", [1, 7, 1000])
def test_any_shuffle_buffer_gives_every_record_once(records, shuffle_buffer_images):
    source = open_source(f"tfrecord:{records}")
    elements = source.epoch(5, 2, True, shuffle_buffer_images)
    indices = [int(element["index"]) for element in elements]
    assert sorted(indices) == list(range(23)) != indices


def test_records_are_not_decoded_on_the_way_to_the_start(tmp_path):
    whole, broken = encoded(random_pixels(9, 9, 3), "PNG"), b"\x89PNG broken"
    records = [example(broken, 0)] * 9 + [example(whole, 0)] * 4
    write_records(tmp_path / "x.tfrecords", records)
    source = open_source(f"tfrecord:{tmp_path}/x.tfrecords")
    choices = dict(resolution=9, image_channels=3, batch_size=4, seed=0, shuffle=False)
    with pytest.raises(tf.errors.OpError):
        next(iter(make_dataset(source, **choices)))
    images, _ = next(iter(make_dataset(source, start_image=9, **choices)))
    assert images.shape == (4, 9, 9, 3)
