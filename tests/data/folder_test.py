import numpy as np
import pytest
from PIL import Image

from sagan_tf.data import open_source, resolve_num_classes


def picture(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4, 3), value, np.uint8)).save(path)


def names(source):
    return [source.name(index) for index in range(source.num_images)]


def test_a_folder_of_folders_has_their_names_as_classes(folder):
    source = open_source(f"folder:{folder}")
    assert source.class_names == ("cat", "dog")
    assert source.description == f"{folder}: 11 pictures, 2 classes of 5 to 6"
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
