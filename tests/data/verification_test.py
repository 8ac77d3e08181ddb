"""Bad images are named, counted, and never seen in training."""

import logging
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from sagan_tf import attention, evaluate, sample, train_classifier
from sagan_tf.data import make_dataset, naming_bad_image, open_source
from sagan_tf.data.verification import failure
from sagan_tf.errors import FINISHED, BadInput

from .samples import damage, encoded, example, random_pixels, write_records


def indices(source, epoch=0):
    return [int(element["index"]) for element in source.epoch(3, epoch, True, 5)]


def training_images(source, count):
    dataset = make_dataset(
        source, resolution=6, image_channels=3, batch_size=4, seed=3, cache_bytes=0
    )
    return [batch[0] for batch in dataset.take(count).as_numpy_iterator()]


def test_bad_files_of_a_folder_are_left_out_and_named(folder, caplog):
    (folder / "cat" / "3.png").write_bytes(b"")
    (folder / "dog" / "0.png").write_bytes(b"<html>Not found</html>")
    whole = (folder / "dog" / "4.png").read_bytes()
    (folder / "dog" / "4.png").write_bytes(whole[:-20])
    with caplog.at_level(logging.WARNING):
        source = open_source(f"folder:{folder}", skip_bad_images=True)
    assert source.num_images == 8
    assert "3 of them bad and skipped" in source.description
    for name in ("cat/3.png: ", "dog/0.png: ", "dog/4.png: "):
        assert caplog.text.count(name) == 1
    assert "3 of 11 images are skipped" in caplog.text
    assert sorted(indices(source)) == [0, 1, 2, 4, 6, 7, 8, 10]
    assert len(training_images(source, 5)) == 5


def test_files_are_looked_at_again_when_they_have_changed(folder, caplog):
    bad = folder / "cat" / "3.png"
    good = bad.read_bytes()
    bad.write_bytes(b"")
    for _ in range(2):
        source = open_source(f"folder:{folder}", skip_bad_images=True)
        assert source.num_images == 10
        assert "1 of them bad and skipped" in source.description
    assert caplog.text.count("3.png") == 1
    bad.write_bytes(good)
    assert open_source(f"folder:{folder}", skip_bad_images=True).num_images == 11


def test_the_order_of_what_is_left_is_the_same_each_time(folder):
    (folder / "cat" / "3.png").write_bytes(b"")
    first, second = (
        indices(open_source(f"folder:{folder}", skip_bad_images=True), epoch=2)
        for _ in range(2)
    )
    assert first == second


def test_a_good_data_set_is_not_changed(records, caplog):
    source = open_source(f"tfrecord:{records}", skip_bad_images=True)
    untouched = open_source(f"tfrecord:{records}")
    assert source.description == untouched.description
    assert indices(source) == indices(untouched)
    assert not caplog.text


def test_bad_records_are_left_out_and_named(tmp_path, caplog):
    whole = encoded(random_pixels(6, 6, 3), "PNG")
    records = [example(whole, label) for label in (1, 2, 3, 1, 2, 3, 1)]
    records[1] = example(whole[:50], 2)
    records[3] = example(whole, 0)  # Below 0 after adding the offset.
    records[6] = example(None, 1)
    write_records(tmp_path / "x", records)
    source = open_source(
        f"tfrecord:{tmp_path}/x", label_offset=-1, skip_bad_images=True
    )
    assert sorted(indices(source)) == [0, 2, 4, 5]
    assert source.num_classes == 3
    for index in (1, 3, 6):
        assert caplog.text.count(f"x, record {index}: ") == 1


def test_raw_records_of_a_wrong_length_are_left_out(tmp_path, caplog):
    records = [example(bytes(108), 0)] * 6
    records[2] = example(bytes(107), 0)
    write_records(tmp_path / "x", records)
    source = open_source(f"tfrecord:{tmp_path}/x", skip_bad_images=True)
    assert sorted(indices(source)) == [0, 1, 3, 4, 5]
    assert "x, record 2: " in caplog.text


def test_of_a_truncated_file_the_rest_is_used(records, caplog):
    path = records.replace("*", "2.tfrecords")
    data = open(path, "rb").read()
    open(path, "wb").write(data[:-10])
    source = open_source(f"tfrecord:{records}", skip_bad_images=True)
    assert f"{path} ends in the middle" in caplog.text
    assert sorted(indices(source)) == list(range(22))
    assert len(training_images(source, 12)) == 12


def test_of_a_file_with_a_wrong_checksum_the_part_before_is_used(records, caplog):
    path = records.replace("*", "0.tfrecords")
    damage(path, value=30)  # The fourth of nine records.
    source = open_source(f"tfrecord:{records}", skip_bad_images=True)
    assert sorted(indices(source)) == [0, 1, 2, *range(9, 23)]
    assert "0.tfrecords, record 3: " in caplog.text
    values = np.concatenate(training_images(source, 20))[:, 0, 0, 0]
    assert len(np.unique(values)) == 17


def test_nothing_left_is_an_error(folder):
    for path in folder.glob("*/*.png"):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="none of the images can be read.*cat/0.png"):
        open_source(f"folder:{folder}", skip_bad_images=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "tfrecord"])
def test_a_bad_image_that_ends_a_run_is_named(folder, tmp_path, kind):
    if kind == "folder":
        (folder / "dog" / "2.png").write_bytes(b"")
        source, name = open_source(f"folder:{folder}"), "dog/2.png"
    else:
        whole = encoded(random_pixels(40, 40, 3), "JPEG")
        pictures = [whole] * 7 + [whole[:200]] + [whole] * 4
        write_records(tmp_path / "x", [example(each, 0) for each in pictures])
        source, name = open_source(f"tfrecord:{tmp_path}/x"), "x, record 7"
    order = dict(seed=7, shuffle_buffer_images=5)
    place = [int(each["index"]) for each in source.epoch(7, 0, True, 5)].index(7)
    dataset = make_dataset(
        source, resolution=6, image_channels=3, batch_size=4, cache_bytes=0, **order
    )

    def fail(**part):
        with naming_bad_image(source, **part, **order):
            list(dataset.take(3))

    with pytest.raises(BadInput, match=f"{name}: .*Try replacing it, or --skip_bad"):
        fail()
    with pytest.raises(BadInput, match=name):
        fail(start_image=place, count=1)
    for start, count in ((0, place), (place + 1, source.num_images - place - 1)):
        with pytest.raises(tf.errors.OpError):  # These are good: it is as it was.
            fail(start_image=start, count=count)


def test_a_damaged_record_file_is_named(records):
    path = records.replace("*", "2.tfrecords")
    damage(path, value=170)  # Found by its checksum alone.
    source = open_source(f"tfrecord:{records}")
    with (
        pytest.raises(BadInput, match=path),
        naming_bad_image(source, seed=3, shuffle_buffer_images=5),
    ):
        training_images(source, 6)


def test_an_error_that_no_image_has_caused_stays_as_it_is(folder):
    source = open_source(f"folder:{folder}")
    with (
        pytest.raises(tf.errors.ResourceExhaustedError),
        naming_bad_image(source, seed=3),
    ):
        raise tf.errors.ResourceExhaustedError(None, None, "no memory")


def write_gif_bmp_and_webp(folder):
    """Three more good images of cats. The name of the last one is wrong."""
    for name, kind in (("a.gif", "GIF"), ("b.bmp", "BMP"), ("c.png", "WEBP")):
        (folder / "cat" / name).write_bytes(encoded(random_pixels(6, 8, 3), kind))


def test_good_files_of_every_kind_are_not_blamed(folder):
    write_gif_bmp_and_webp(folder)
    source = open_source(f"folder:{folder}")
    for element in source.epoch(0, 0, shuffle=False):
        assert failure(source, element) is None


@pytest.mark.parametrize(
    "contents, problem",
    [
        (b"", "It must be a JPEG, PNG, GIF, BMP or WebP file. Received: 0 other bytes"),
        (b"GIF89a\x06\0\x06\0", "Damaged GIF file"),
        (b"BM\0\0", "Damaged BMP file"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "Damaged WEBP file"),
        (encoded(random_pixels(40, 40, 3), "PNG")[:200], "Invalid PNG data, size 200"),
    ],
)
def test_the_bad_file_is_named_among_good_ones_of_every_kind(folder, contents, problem):
    write_gif_bmp_and_webp(folder)
    (folder / "dog" / "4.png").write_bytes(contents)
    source = open_source(f"folder:{folder}")
    with pytest.raises(BadInput, match=f"{folder}/dog/4.png: {problem}.* Try") as error:
        make_dataset(source, resolution=6, image_channels=3, batch_size=4, seed=3)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "command, flags",
    [
        (attention, ["--workdir=a", "--output=a.png"]),
        (evaluate, ["--samples=folder:a"]),
        (sample, ["--workdir=a", "--output=a.png", "--neighbours=3"]),
        (train_classifier, ["--dataset=folder:a", "--output=a"]),
    ],
)
@pytest.mark.parametrize("skips", [True, False])
def test_commands_that_read_images_hand_skip_bad_images_on(
    command, flags, skips, monkeypatch
):
    """Training and reference_statistics have it in their `Config`."""
    room = mock.MagicMock()
    room.make_report().write.return_value = ["a.png"]
    room.open_parts.return_value = [mock.MagicMock()] * 3
    room.Drawing().step = 7
    room.Drawing().write.return_value = "1 image"
    room.natural_shape.return_value = (32, 3)
    monkeypatch.setattr(command, "load", lambda name: room)
    flags = [*flags, "--skip_bad_images"] if skips else flags
    assert command.main(["command", *flags]) == FINISHED
    given = [
        call.kwargs["skip_bad_images"]
        for call in room.mock_calls
        if "skip_bad_images" in call.kwargs
    ]
    # `evaluate` reads real images and samples.
    assert list(map(bool, given)) == [skips] * (2 if command is evaluate else 1)
