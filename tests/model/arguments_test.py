"""What a `SAGAN` accepts. `sagan_test.py` has the messages about its arguments."""

import numpy as np
import pytest
import tensorflow as tf

from sagan_tf.errors import BadInput
from sagan_tf.model.arguments import (
    check_labels,
    has_classifier,
    head_of,
    split_batch,
)
from tests.model.sagan_test import AC_GAN, BATCH, CLASSES, data, sagan


def test_the_head_is_found_in_the_discriminator_alone():
    model, ac_gan = sagan(), sagan(**AC_GAN)
    assert head_of(model.discriminator).name == "projection_head"
    assert head_of(ac_gan.discriminator).name == "auxiliary_classifier_head"
    assert head_of(model.generator) is None
    assert has_classifier(ac_gan.discriminator)
    assert not has_classifier(model.discriminator)


def test_a_batch_is_cut_in_order():
    model = sagan(discriminator_steps=2, gradient_accumulation_steps=3)
    images, labels = data(6 * BATCH)
    parts = split_batch(model, (images, labels))
    assert len(parts) == 6
    np.testing.assert_array_equal(tf.concat([x for x, _ in parts], 0), images)
    np.testing.assert_array_equal(tf.concat([y for _, y in parts], 0), labels)


def test_images_alone_have_no_labels():
    model = sagan(num_classes=None, discriminator_steps=2)
    parts = split_batch(model, data(4, num_classes=None))
    assert [labels for _, labels in parts] == [None, None]


@pytest.mark.parametrize(
    ("labels", "num_classes", "message"),
    [
        (None, CLASSES, "num_classes=3 generates with labels"),
        ([0], None, "num_classes=None generates without labels"),
        ([0, 3], CLASSES, r"\[0, 3\). Received: \[3\]"),
        ([-1], CLASSES, r"\[0, 3\). Received: \[-1\]"),
    ],
)
def test_labels_that_do_not_suit_are_refused(labels, num_classes, message):
    labels = None if labels is None else tf.constant(labels)
    with pytest.raises(BadInput, match=message):
        check_labels(labels, num_classes)


@pytest.mark.parametrize(("labels", "num_classes"), [([0, 2], 3), (None, None)])
def test_labels_that_suit_are_accepted(labels, num_classes):
    check_labels(None if labels is None else tf.constant(labels), num_classes)
