"""What is said about a folder of images before a training."""

import numpy as np
import pytest
from PIL import Image

from sagan_tf.data import survey
from sagan_tf.data.folder import open_folder


@pytest.fixture
def folder(tmp_path):
    """60 cats of 40 x 30 to 99 x 89, 9 dogs of other modes; one twice, one broken."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
    for i in range(60):
        pixels = rng.integers(0, 256, (40 + i, 30 + i, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "cat" / f"{i:02}.png")
    for i, mode in enumerate(["L", "RGBA", "LA", "P", "1", "L", "L"]):
        pixels = rng.integers(0, 256, (70, 80), np.uint8)
        Image.fromarray(pixels).convert(mode).save(tmp_path / "dog" / f"{i}.png")
    (tmp_path / "dog" / "7.png").write_bytes((tmp_path / "dog" / "0.png").read_bytes())
    (tmp_path / "dog" / "8.png").write_bytes(b"no image")
    return tmp_path


def test_a_survey_counts_what_is_there(folder):
    found = survey.survey_folder(open_folder(folder), 64)
    assert found["counts"] == {"cat": 60, "dog": 9}
    assert found["sizes"] == {
        **{"smallest": 30, "median": 64, "largest": 89, "different": 61}
    }
    assert found["modes"]["RGB"] == 60 and found["modes"]["gray"] == 4
    assert found["modes"]["RGB with transparency"] == 1
    assert found["enlarged"] == 34
    assert found["duplicates"] == 1
    assert found["same"] == [[str(folder / "dog" / f"{i}.png") for i in (0, 7)]]
    assert found["unreadable"] == [str(folder / "dog" / "8.png")]


def test_an_image_that_is_too_large_for_pillow_is_unreadable(tmp_path):
    Image.new("1", (20_000, 9_500)).save(tmp_path / "scan.png")
    found = survey.survey_folder(open_folder(tmp_path), 64)
    assert found["unreadable"] == [str(tmp_path / "scan.png")]


def test_it_says_what_that_means(folder):
    found = survey.survey_folder(open_folder(folder), 64)
    assert survey.describe(found)[0] == (
        "69 images in 2 classes of 9 to 60; the smallest is dog"
    )
    lines = survey.meaning(found)
    for words in (
        *("dog has fewer than 50", "--balance_classes", "34 of 69", "Transparent"),
        *("7.png of", "8.png cannot be read", "--skip_bad_images"),
    ):
        assert sum(words in line for line in lines) == 1, words
    lines = " ".join(survey.meaning(found, True, True, True))
    assert not any(flag in lines for flag in ("--balance", "--skip", "--flagfile"))
    assert survey.advised_preset(found) == "few_images"


def test_equal_classes_have_no_smallest(folder):
    found = survey.survey_folder(open_folder(folder), 64)
    equal = found | {"counts": {"cat": 9, "dog": 9}}
    assert survey.describe(equal)[0] == "69 images in 2 classes of 9"


def test_nothing_is_said_about_a_good_folder(tmp_path):
    for i in range(50):
        Image.new("RGB", (64, 64), (i, 0, 0)).save(tmp_path / f"{i}.png")
    found = survey.survey_folder(open_folder(tmp_path), 64)
    assert found["counts"] == {"all": 50}
    assert survey.meaning(found) == []
    assert survey.describe(found)[0] == "50 images"


@pytest.mark.parametrize(
    ("count", "name"), [(1_999, "few_images"), (2_000, "thousands"), (20_000, "folder")]
)
def test_the_preset_follows_the_number_of_images(count, name):
    assert survey.advised_preset({"num_images": count}) == name
