"""A feature network for tests: a seeded projection, which takes almost no time."""

import numpy as np
import tensorflow as tf

from sagan_tf.evaluation.features.network import FeatureNetwork

FEATURES, LOGITS, SIDE = 6, 10, 4


def small_network(
    channels=1, name="small", seed=0, is_inception=False, features=FEATURES
):
    """Images of any size -> 4 x 4 means -> matrices, one of them through a ReLU."""
    random = np.random.default_rng(seed)
    inputs = SIDE * SIDE * channels
    to_features = random.normal(size=(inputs, features)).astype(np.float32)
    to_logits = random.normal(size=(inputs, LOGITS)).astype(np.float32)

    def function(images):
        small = tf.image.resize(images, [SIDE, SIDE], "area")
        flat = tf.reshape(small, [-1, inputs])
        return tf.nn.relu(flat @ to_features), flat @ to_logits

    return FeatureNetwork(
        function,
        name=name,
        hash=f"{seed:064x}",
        num_features=features,
        num_logits=LOGITS,
        image_channels=channels,
        is_inception=is_inception,
    )
