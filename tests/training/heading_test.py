"""The first lines of a training."""

import types

import pytest
import tensorflow as tf

from sagan_tf.data.arrays import open_digits
from sagan_tf.settings.config import Config
from sagan_tf.training.heading import heading


def lines(num_classes, start, **settings):
    network = types.SimpleNamespace(trainable_variables=[tf.Variable(tf.zeros([3, 4]))])
    model = types.SimpleNamespace(
        generator=network,
        discriminator=network,
        distribute_strategy=tf.distribute.get_strategy(),
    )
    settings |= {"batch_size": 100, "total_steps": 1797}
    config = Config(num_classes=num_classes, **settings)
    made = heading(config, open_digits(), "runs/x", model, start)
    return dict(line.split(":", 1) for line in made)


def test_it_says_what_is_trained_where_and_how_long():
    told = lines(10, 0)
    assert list(told) == ["run", "data", "networks", "device", "steps", "time"]
    assert told["run"].strip() == "runs/x, new"
    assert told["data"].endswith("10 classes: 0, 1, 2, 3, 4, 5, 6, 7 and 2 more")
    assert "12 generator, 12 discriminator" in told["networks"]
    assert "cores" in told["device"]
    assert (
        "1,797 of 1,797, 100 images each; every image is seen about 100.0"
        in (told["steps"])
    )


def test_it_says_where_a_run_goes_on_and_that_labels_are_ignored():
    told = lines(0, 797)
    assert told["run"].endswith("resumes from step 797")
    assert told["data"].endswith("without classes")
    assert "1,000 of 1,797" in told["steps"]


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        (1, ", whose first block is frozen and not counted"),
        (2, ", whose first 2 blocks are frozen and not counted"),
    ],
)
def test_it_says_which_blocks_are_frozen(blocks, words):
    assert lines(10, 0, freeze_discriminator_blocks=blocks)["networks"].endswith(words)
    assert "frozen" not in lines(10, 0)["networks"]
