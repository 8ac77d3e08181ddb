"""Numbers, labels, truncations and points, as they are typed."""

import pytest

from sagan_tf.settings import arguments


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("3", [3]),
        ("0-3", [0, 1, 2, 3]),
        ("7, 2-3,7", [7, 2, 3, 7]),
        ("12-12", [12]),
    ],
)
def test_numbers_and_ranges(text, numbers):
    assert arguments.parse_numbers(text, "seeds") == numbers


@pytest.mark.parametrize(
    "text", ["", "a", "3-1", "-1", "1,,2", "1-", "1.5", str(2**31), "9" * 5000]
)
def test_what_is_no_number_is_named(text):
    with pytest.raises(ValueError, match="seeds must be .* Try --seeds"):
        arguments.parse_numbers(text, "seeds")


def test_labels():
    assert arguments.parse_labels("all", 3) == [0, 1, 2]
    assert arguments.parse_labels("2,0", 3) == [2, 0]
    assert arguments.parse_labels(None, 3) == []


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("Cat", "--labels=1, which is cat."),
        ("animals", "--labels=0, which is animal."),
        ("dogs,cat", "--labels=2,1, which is dog, cat."),
        ("zebra", "--labels=0-7"),
    ],
)
def test_the_label_of_a_name_is_said(text, remedy):
    names = ("animal", "cat", "dog")
    with pytest.raises(ValueError) as error:
        arguments.parse_labels(text, 3, names)
    assert f"Try {remedy}" in str(error.value)
    assert arguments.parse_labels("0-1", 3, names) == [0, 1]


@pytest.mark.parametrize(
    ("text", "num_classes", "words"),
    [("3", 3, "below 3"), ("1", 0, "unconditional"), ("x", 3, "--labels")],
)
def test_wrong_labels(text, num_classes, words):
    with pytest.raises(ValueError, match=words):
        arguments.parse_labels(text, num_classes)


@pytest.mark.parametrize(
    ("text", "truncations"),
    [
        (None, [None]),
        ("none", [None]),
        ("0.5", [0.5]),
        ("0", [0.0]),
        ("0.2, 1,None", [0.2, 1.0, None]),
    ],
)
def test_truncations(text, truncations):
    assert arguments.parse_truncations(text) == truncations


@pytest.mark.parametrize(
    "text", ["-1", "a", "1,,2", "nan", "inf", "1;2", "0-1", "1e30"]
)
def test_what_is_no_truncation_is_named(text):
    with pytest.raises(ValueError, match=f"truncation must be .*Received: '{text}'"):
        arguments.parse_truncations(text)


def test_points_are_read():
    assert arguments.parse_queries("12,20") == [(12, 20)]
    assert arguments.parse_queries(" 12 , 20; 3,4") == [(12, 20), (3, 4)]
    assert arguments.parse_queries("auto") is None


@pytest.mark.parametrize(
    "text", ["", "1", "1,2,3", "-1,2", "a,b", "1.5,2", "1,2;", ";".join(["1,1"] * 8)]
)
def test_what_is_no_point_is_named(text):
    with pytest.raises(ValueError, match="queries must be .* Received: .* --queries="):
        arguments.parse_queries(text)
