import itertools
import logging
import os
import socket

import numpy as np
import pytest
from PIL import Image

from sagan_tf.data import open_source, resolve_num_classes
from sagan_tf.errors import BadInput


def picture(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4, 3), value, np.uint8)).save(path)


def names(source):
    return [source.name(index) for index in range(source.num_images)]


def test_a_folder_of_folders_has_their_names_as_classes(folder):
    source = open_source(f"folder:{folder}")
    assert source.class_names == ("cat", "dog")
    assert source.description == f"{folder}: 11 images, 2 classes of 5 to 6"
    labels = [int(source.decode({"index": i})["label"]) for i in range(11)]
    assert labels == [0] * 5 + [1] * 6


def test_a_folder_of_pictures_has_no_classes(folder):
    source = open_source(f"folder:{folder}/dog/")
    assert (source.num_images, source.num_classes) == (6, 0)


def test_pictures_are_found_below_a_class_folder(folder):
    picture(folder / "cat" / "2021" / "may" / "x.JPEG")
    picture(folder / "fox" / "a" / "x.jpg")
    source = open_source(f"folder:{folder}")
    assert source.num_images == 13
    assert source.class_names == ("cat", "dog", "fox")
    assert f"{folder}/cat/2021/may/x.JPEG" in names(source)


def test_hidden_and_other_files_are_ignored_and_counted(folder):
    for name in ("cat/._0.png", "cat/.DS_Store", "dog/Thumbs.db", "dog/notes.txt"):
        (folder / name).write_bytes(b"no image")
    picture(folder / ".trash" / "x.png")
    picture(folder / "__MACOSX" / "x.png")
    source = open_source(f"folder:{folder}")
    assert source.num_images == 11 and source.num_classes == 2
    assert "(4 other files ignored)" in source.description


def test_links_are_followed_but_not_in_circles(folder):
    (folder / "cat" / "all").symlink_to(folder / "cat")
    (folder / "emu").symlink_to(folder / "dog")
    source = open_source(f"folder:{folder}")
    assert source.class_names == ("cat", "dog", "emu")
    assert source.num_images == 5 + 6 + 6


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ValueError, match=f"There is no folder {tmp_path}/no"):
        open_source(f"folder:{tmp_path}/no")


def test_a_folder_without_pictures_is_an_error(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.tiff").touch()
    with pytest.raises(
        ValueError, match="holds no images .*.jpg.* Received: 1 folders and 1 other"
    ):
        open_source(f"folder:{tmp_path}")


def test_an_empty_class_folder_is_an_error(folder):
    (folder / "ape").mkdir()
    with pytest.raises(ValueError, match="class folder .*pets/ape holds no images"):
        open_source(f"folder:{folder}")


def test_one_level_too_high_names_the_folder_to_use(folder):
    with pytest.raises(
        ValueError,
        match=f"every label would be 0. Try --dataset=folder:{folder}, whose folders",
    ):
        open_source(f"folder:{folder.parent}")


def test_a_single_class_folder_is_no_class(tmp_path):
    picture(tmp_path / "celeba" / "img_align" / "1.jpg")
    with pytest.raises(
        ValueError, match="every label would be 0.*folder:.*img_align, without classes"
    ):
        open_source(f"folder:{tmp_path}/celeba")


def test_the_parts_of_a_data_set_are_not_classes(tmp_path):
    for part in ("train", "val"):
        for name in ("cat", "dog"):
            picture(tmp_path / part / name / "1.jpg")
    with pytest.raises(
        ValueError, match=r"\(train, val\), not its classes.*folder:.*/train or --data"
    ):
        open_source(f"folder:{tmp_path}")


def test_pictures_beside_class_folders_are_an_error(folder):
    picture(folder / "stray.png")
    with pytest.raises(
        ValueError, match=r"Received: 1 images \(stray.png, ...\) beside 2 folders"
    ):
        open_source(f"folder:{folder}")


def test_one_level_too_low_names_the_folder_above(folder):
    source = open_source(f"folder:{folder}/cat")
    with pytest.raises(
        ValueError, match=f"{folder}/dog: is it one class.*folder:{folder} for all"
    ):
        resolve_num_classes(source)
    assert resolve_num_classes(source, num_classes=0) == 0


def test_what_is_no_regular_file_is_named_and_never_read(folder, caplog, monkeypatch):
    os.mkfifo(folder / "cat" / "pipe.png")
    (folder / "cat" / "zero.png").symlink_to("/dev/zero")
    monkeypatch.chdir(folder)  # The path of a socket must be short.
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("dog/socket.png")
        with caplog.at_level(logging.WARNING):
            source = open_source(f"folder:{folder}", skip_bad_images=True)
    assert source.num_images == 11
    assert "(3 other files ignored)" in source.description
    for name in ("cat/pipe.png", "cat/zero.png", "dog/socket.png"):
        assert f"{folder}/{name} is not a regular file" in caplog.text


def test_a_link_that_leads_nowhere_is_a_bad_image(folder, caplog):
    (folder / "cat" / "gone.png").symlink_to("nowhere.png")
    (folder / "dog" / "loop.png").symlink_to("loop.png")
    assert open_source(f"folder:{folder}").num_images == 13
    assert open_source(f"folder:{folder}", skip_bad_images=True).num_images == 11
    assert f"{folder}/cat/gone.png: It cannot be read: No such file" in caplog.text
    assert f"{folder}/dog/loop.png: It cannot be read: Too many levels" in caplog.text


def test_links_between_classes_are_not_followed_in_circles(folder, caplog):
    (folder / "cat" / "friends").symlink_to(folder / "dog")
    (folder / "dog" / "friends").symlink_to(folder / "cat")
    with caplog.at_level(logging.WARNING):
        source = open_source(f"folder:{folder}")
    assert source.num_images == 11 + 11
    assert len(set(names(source))) == 22
    assert f"{folder}/cat is in the classes cat and dog: a link" in caplog.text


def test_a_link_to_a_folder_above_is_not_followed(folder):
    (folder / "cat" / "up").symlink_to(folder)
    (folder / "dog" / "root").symlink_to("/")
    assert open_source(f"folder:{folder}").num_images == 11


def test_many_links_between_classes_take_no_time(tmp_path):
    """Each way through them would be 9! ways."""
    classes = [tmp_path / "all" / name for name in "abcdefghij"]
    for each in classes:
        picture(each / "1.png")
    for each, other in itertools.permutations(classes, 2):
        (each / other.name).symlink_to(other)
    assert open_source(f"folder:{tmp_path}/all").num_images == 100


def test_a_name_that_is_not_utf8_is_one_line(folder, caplog):
    path = os.fsencode(folder) + b"/cat/caf\xe9.png"
    os.rename(folder / "cat" / "1.png", path)
    with pytest.raises(BadInput, match=r"/cat/caf\\xe9.png is not UTF-8.*Try") as error:
        open_source(f"folder:{folder}")
    str(error.value).encode()
    assert open_source(f"folder:{folder}", skip_bad_images=True).num_images == 10
    assert r"cat/caf\xe9.png is not UTF-8" in caplog.text
    os.rename(folder / "dog", os.fsencode(folder) + b"/caf\xe9")
    with pytest.raises(BadInput, match=r"pets/caf\\xe9 is not UTF-8"):
        open_source(f"folder:{folder}", skip_bad_images=True)
    with pytest.raises(BadInput, match=r"caf\\xe9.png is not UTF-8"):
        open_source(os.fsdecode(b"folder:" + path))
