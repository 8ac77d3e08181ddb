"""A tiny SavedModel with the interface of TF-GAN's Inception module.

Its outputs are a random projection of the image at 8 x 8: scores measured with it mean
nothing, and `features.open_feature_network` calls them "stand-in".
"""

import numpy as np
import tensorflow as tf

FEATURES, LOGITS, SIDE = 2048, 1008, 8
KINDS = ("callable", "4-d", "signature", "tf1")


def weights(seed=0, features=FEATURES, logits=LOGITS):
    """Two float32 matrices: pixels of the small image -> features, and -> logits."""
    random = np.random.default_rng(seed)
    inputs = SIDE * SIDE * 3
    return tuple(
        (random.normal(size=(inputs, n)) / np.sqrt(inputs)).astype(np.float32)
        for n in (features, logits)
    )


def outputs(images, to_features, to_logits, four_dimensional=False):
    """images `(N, R, R, 3)` -> dict of logits `(N, 1008)` and pool_3 `(N, 2048)`.

    pool_3 is `(N, 1, 1, 2048)` if it is `four_dimensional`.
    """
    small = tf.image.resize(images, [SIDE, SIDE], antialias=True)
    flat = tf.reshape(small, [-1, SIDE * SIDE * 3])
    pool = tf.matmul(flat, to_features)
    if four_dimensional:
        pool = pool[:, None, None]
    return {"pool_3": pool, "logits": tf.matmul(flat, to_logits)}


class _Module(tf.Module):
    """A module that owns its variables, as the real one does."""

    def __init__(self, matrices, four_dimensional):
        super().__init__()
        self.matrices = [tf.Variable(matrix) for matrix in matrices]
        self.four_dimensional = four_dimensional

    def compute(self, images):
        return outputs(images, *self.matrices, self.four_dimensional)


def write(folder, kind="callable", seed=0, features=FEATURES, logits=LOGITS, size=None):
    """Writes a stand-in; returns the folder.

    Args:
        folder: path of the new SavedModel.
        kind: "callable" (like TF2 modules), "4-d" (callable, pool_3 has four
            dimensions), "signature" (not callable), "tf1" (signature "default", and a
            second graph for training, like TF1 modules).
        seed: of its weights.
        features, logits: other widths than the Inception module's.
        size: int for images of one size only; `None` takes all sizes.
    """
    matrices = weights(seed, features, logits)
    shape = [None, size, size, 3]
    if kind == "tf1":
        _write_tf1(str(folder), matrices, shape)
        return folder
    module = _Module(matrices, kind == "4-d")
    compute = tf.function(
        module.compute, input_signature=[tf.TensorSpec(shape, tf.float32, "images")]
    )
    if kind == "signature":
        signatures = {"serving_default": compute}
    else:
        module.__call__ = compute
        signatures = None
    tf.saved_model.save(module, str(folder), signatures)
    return folder


def _write_tf1(folder, matrices, shape):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, shape, "input")
        variables = [v1.Variable(matrix, use_resource=True) for matrix in matrices]
        tensors = outputs(images, *variables)
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(folder)

        def signatures(outputs):
            make = v1.saved_model.signature_def_utils.predict_signature_def
            return {"default": make({"images": images}, outputs)}

        # The graph for training computes something else.
        training = {name: -value for name, value in tensors.items()}
        builder.add_meta_graph_and_variables(session, ["train"], signatures(training))
        builder.add_meta_graph([], signatures(tensors))
        builder.save()
