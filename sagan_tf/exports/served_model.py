"""Loads a SavedModel as a server does: into a session, without its Python objects.

TensorFlow Serving, the C API and `saved_model_cli` restore a model's variables through
its graph. `tf.saved_model.load` restores them through its objects, so it opens models
that no server can open (github.com/keras-team/keras/issues/19274).
"""

import tensorflow as tf

from sagan_tf.progress import without_notices

# A signature for the loader itself, and the first signature in lists.
_HIDDEN, _DEFAULT = "__saved_model_init_op", "serving_default"


class ServedModel:
    """A SavedModel in a session of its own; a context manager.

    Args:
        folder: path of the SavedModel.

    Raises:
        tf.errors.OpError, OSError: the model cannot be loaded.
    """

    def __init__(self, folder):
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default(), without_notices():
            graph = tf.compat.v1.saved_model.load(
                self._session, [tf.saved_model.SERVING], str(folder)
            )
        self._signatures = dict(graph.signature_def)
        self._signatures.pop(_HIDDEN, None)

    def __enter__(self):
        return self

    def __exit__(self, *details):
        self._session.close()

    def run(self, signature, inputs):
        """Answers one request.

        Args:
            signature: str, its name.
            inputs: dict of name to array.

        Returns:
            Dict of name to array; strings are arrays of `bytes`.

        Raises:
            tf.errors.OpError: the model refuses the request.
        """
        definition = self._signatures[signature]
        feeds = {definition.inputs[k].name: value for k, value in inputs.items()}
        fetches = {k: info.name for k, info in definition.outputs.items()}
        return self._session.run(fetches, feeds)

    def signatures(self):
        """Returns the signatures: name -> "inputs", "outputs" -> name -> tensor.

        A tensor is a dict of its `"dtype"` and its `"shape"`, a list with `None` for
        the number of images.
        """
        names = sorted(self._signatures, key=lambda name: (name != _DEFAULT, name))
        return {
            name: {
                "inputs": _tensors(self._signatures[name].inputs),
                "outputs": _tensors(self._signatures[name].outputs),
            }
            for name in names
        }


def _tensors(infos):
    return {
        name: {
            "dtype": tf.dtypes.as_dtype(info.dtype).name,
            "shape": tf.TensorShape(info.tensor_shape).as_list(),
        }
        for name, info in sorted(infos.items())
    }
