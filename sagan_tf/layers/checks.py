"""Checks of the inputs that layers are called with."""

from keras import ops

from sagan_tf.errors import BadInput


def check_map(layer, shape):
    """Raises `BadInput` unless a shape is `(B, H, W, C)`."""
    if len(shape) != 4:
        raise BadInput(
            f"{type(layer).__name__} needs images or features (B, H, W, C). "
            f"Received: {tuple(shape)}. Try keras.layers.Reshape."
        )


def check_labels(layer, labels):
    """Checks the labels that a layer is called with.

    Args:
        layer: layer with an attribute `num_classes`, `None` without classes.
        labels: `(B,)` or `(B, 1)` tensor, or `None`.

    Returns:
        `(B,)` tensor, or `None`.

    Raises:
        BadInput: labels are missing although there are classes, or the reverse; or they
            have another shape.
    """
    if (labels is None) != (layer.num_classes is None):
        raise BadInput(
            f"{layer.name} with num_classes={layer.num_classes} must be called "
            f"{'without' if layer.num_classes is None else 'with'} labels. "
            f"Received: labels={labels}."
        )
    if labels is None:
        return None
    labels = ops.convert_to_tensor(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        return ops.reshape(labels, (-1,))
    if labels.ndim not in (1, None):  # `None`: unknown until the graph runs.
        raise BadInput(
            f"{layer.name} needs labels (B,) or (B, 1), one class number per image. "
            f"Received: {tuple(labels.shape)}. Try keras.Input((), dtype='int32')."
        )
    return labels
