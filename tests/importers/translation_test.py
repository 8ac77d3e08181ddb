"""Every tensor is used or ignored, none is missing, and shapes fit."""

from unittest import mock

import numpy as np
import pytest

from sagan_tf.importers import translation
from sagan_tf.importers.translation import (
    Translation,
    Weight,
    convert,
    shape_of,
)

TENSORS = {"w": np.ones((2, 3)), "b": np.arange(3.0), "slot": np.zeros(3)}
NETWORKS = {
    "generator": {"kernel": Weight("w", convert=np.transpose), "bias": Weight("b")},
    "discriminator": {"sum": Weight("w", "b", convert=lambda w, b: w.sum() + b)},
}
VARIABLES = {
    "generator": {"kernel": np.empty((3, 2)), "bias": np.empty(3)},
    "discriminator": {"sum": np.empty(3)},
}


def changed(**tensors):
    return {**TENSORS, **tensors}


def test_tensors_become_variables():
    values = convert(TENSORS, NETWORKS, VARIABLES, {"slot"})
    np.testing.assert_array_equal(values["generator"]["kernel"], np.ones((3, 2)))
    np.testing.assert_array_equal(values["generator"]["bias"], [0, 1, 2])
    np.testing.assert_array_equal(values["discriminator"]["sum"], [6, 7, 8])
    assert {v.dtype for of in values.values() for v in of.values()} == {
        np.dtype("float32")
    }


def test_a_tensor_that_nobody_knows_is_named_with_its_shape():
    with pytest.raises(ValueError, match=r"1 unknown: slot \(3,\)\. Nothing"):
        convert(TENSORS, NETWORKS, VARIABLES)


def test_a_missing_tensor_is_named():
    tensors = {"b": TENSORS["b"]}
    with pytest.raises(ValueError, match=r"Received: 1 missing: w\. Nothing"):
        convert(tensors, NETWORKS, VARIABLES)


def test_of_many_names_the_first_are_told_and_their_number():
    tensors = changed(**{f"x{i}": np.zeros(1) for i in range(5)})
    wanted = r"5 unknown: x0 \(1,\), x1 \(1,\), x2 \(1,\) and 2 more"
    with pytest.raises(ValueError, match=wanted):
        convert(tensors, NETWORKS, VARIABLES, {"slot"})


@pytest.mark.parametrize(
    "bias",
    [np.zeros(4), np.zeros((3, 1)), np.float64(0)],
    ids=["longer", "another rank", "a number"],
)
def test_another_shape_is_told_with_the_one_that_is_needed(bias):
    with pytest.raises(ValueError, match=r"of another shape: b \(.*for bias \(3,\)"):
        convert(changed(b=bias), NETWORKS, VARIABLES, {"slot"})


def test_a_shape_that_cannot_be_converted_is_another_shape():
    # Weights and biases of different lengths cannot be added.
    with pytest.raises(ValueError, match=r"w \(2, 3\), b \(2,\) for sum \(3,\)"):
        convert(changed(b=np.zeros(2)), NETWORKS, VARIABLES, {"slot"})
    cut = {"generator": {"bias": Weight("b", convert=lambda b: b[0, 0, 0])}}
    with pytest.raises(ValueError, match=r"1 of another shape: b \(3,\) for bias"):
        convert(TENSORS, cut, VARIABLES, {"slot", "w"})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value):
    with pytest.raises(ValueError, match=r"2 not finite: b \(3,\), w \(2, 3\), b"):
        convert(changed(b=np.array([0, value, 1])), NETWORKS, VARIABLES, {"slot"})


def test_the_bar_moves_at_every_variable(monkeypatch):
    bar = mock.MagicMock()
    monkeypatch.setattr(translation, "progress_bar", bar)
    convert(TENSORS, NETWORKS, VARIABLES, {"slot"})
    assert bar.call_args.args[1] == 3
    assert bar().__enter__().update.call_count == 3


def test_whole_names_are_ignored_each_for_its_first_reason():
    made = Translation({}, {}, {})
    made.ignore(["a/m", "b/m", "b/mm"], {r".*/m": "moments"})
    made.ignore(["a/m", "c"], {r".*": "rest"})
    assert made.ignored == {"a/m": "moments", "b/m": "moments", "c": "rest"}


def test_a_shape_that_tells_something_has_to_be_there():
    assert shape_of(TENSORS, "w", 2, "z") == (2, 3)
    with pytest.raises(ValueError, match="must have the tensor x, which tells z"):
        shape_of(TENSORS, "x", 2, "z")
    with pytest.raises(ValueError, match=r"w, which tells z, of 4 axes.*\(2, 3"):
        shape_of(TENSORS, "w", 4, "z")
