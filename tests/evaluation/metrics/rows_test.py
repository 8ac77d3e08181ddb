"""What metrics accept, and what their messages say of the rest."""

import numpy as np
import pytest

from sagan_tf.errors import BadInput
from sagan_tf.evaluation.metrics.rows import (
    ROWS_AT_A_TIME,
    check_labels,
    check_pair,
    check_rows,
)


def test_good_rows_are_not_copied():
    rows = np.ones([3, 2])
    assert check_rows(rows, "features", 2) is rows


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_rows_are_counted_and_the_first_is_named(bad):
    rows = np.ones([2 * ROWS_AT_A_TIME + 5, 2])
    rows[[ROWS_AT_A_TIME + 1, 2 * ROWS_AT_A_TIME + 3], 1] = bad
    words = f"logits must be finite.*in 2 of .*first in row {ROWS_AT_A_TIME + 1}"
    with pytest.raises(BadInput, match=words):
        check_rows(rows, "logits")


def test_rows_of_another_width_are_refused():
    with pytest.raises(BadInput, match=r"\(images, 3\).*Received: shape \(4, 2\)"):
        check_rows(np.ones([4, 2]), "features", 3)


def test_a_pair_needs_the_same_features_and_enough_images():
    with pytest.raises(BadInput, match="fake_features must have shape"):
        check_pair(np.ones([4, 2]), np.ones([4, 3]))
    with pytest.raises(BadInput, match="3 real, 4 fake"):
        check_pair(np.ones([3, 2]), np.ones([4, 2]), at_least=4)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (None, "must be 3 integers.*Received: None"),
        ([0, 1], "must be 3 integers"),
        ([0.0, 1.0, 2.0], "must be 3 integers"),
        ([0, 1, 4], r"must be in 0\.\.3. Received: 4"),
        ([0, -1, 2], "Received: -1"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, words):
    with pytest.raises(BadInput, match=words):
        check_labels(labels, "labels", 3, 4)
