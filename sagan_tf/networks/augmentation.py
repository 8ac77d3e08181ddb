"""Differentiable augmentation of the images that the discriminator sees.

The same kinds of change are applied to real and to generated images, in the step of
the discriminator and in that of the generator, so that the generator need not learn
them: DiffAugment (arXiv 2006.10738, official file `DiffAugment_tf.py`). Each image has
its own random numbers. These are an argument, so that the functions are pure.
"""

import keras
from keras import ops

from sagan_tf.errors import BadInput

# The kinds, in the order in which they are applied.
KINDS = ("flip", "colour", "translation", "cutout")
FILLS = {"zero": 0.0, "black": -1.0}
# The numbers of uniforms that the kinds take, in the order of `KINDS`. Before these,
# one uniform per kind decides whether the kind is applied.
_TAKEN = {"flip": 1, "colour": 3, "translation": 2, "cutout": 2}
NUM_UNIFORMS = len(KINDS) + sum(_TAKEN.values())


def check_kinds(kinds):
    """Checks the names of augmentations.

    Args:
        kinds: sequence of str.

    Raises:
        BadInput: a name is not in `KINDS`, or appears twice.
    """
    if set(kinds) - set(KINDS) or len(set(kinds)) < len(kinds):
        raise BadInput(
            f"augment must be different names among {', '.join(KINDS)}. "
            f"Received: {','.join(map(str, kinds))}. Try --augment=translation,cutout."
        )


def augment(images, uniforms, kinds, probability=1.0, fill="zero"):
    """Augments images.

    With R the width of an image:

    - `flip`: mirrored in half of all cases;
    - `colour`: brightness plus U(-0.5, 0.5), saturation times U(0, 2), contrast times
      U(0.5, 1.5), in this order;
    - `translation`: shifted by up to `round(R / 8)` pixels along both axes;
    - `cutout`: a square of `round(R / 2)` pixels, which may lie partly outside, is
      filled.

    Args:
        images: `(B, R, R, C)` float tensor in [-1, 1].
        uniforms: `(B, NUM_UNIFORMS)` float tensor in [0, 1): the random numbers.
        kinds: sequence of names in `KINDS`. Their order does not matter.
        probability: float or scalar tensor, probability of each kind for each image
            (arXiv 2006.06676); 1 in DiffAugment.
        fill: `"zero"` (the official value: gray) or `"black"` (-1), for pixels that
            are shifted in or cut out.

    Returns:
        `(B, R, R, C)` tensor of the images' dtype. `colour` may leave [-1, 1].
    """
    uniforms = ops.cast(uniforms, "float32")[:, :, None, None, None]
    place = len(KINDS)
    for index, kind in enumerate(KINDS):
        own = [uniforms[:, place + i] for i in range(_TAKEN[kind])]
        place += _TAKEN[kind]
        if kind in kinds:
            changed = _CHANGES[kind](images, own, FILLS[fill])
            images = ops.where(uniforms[:, index] < probability, changed, images)
    return images


def _flip(images, uniforms, fill):
    return ops.where(uniforms[0] < 0.5, ops.flip(images, axis=2), images)


def _colour(images, uniforms, fill):
    brightness, saturation, contrast = (ops.cast(u, images.dtype) for u in uniforms)
    images = images + (brightness - 0.5)
    gray = ops.mean(images, axis=3, keepdims=True)
    images = (images - gray) * (2 * saturation) + gray
    mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    return (images - mean) * (contrast + 0.5) + mean


def _translation(images, uniforms, fill):
    # Moves rows, then rows of the transposed images, which are columns.
    for uniform in uniforms:
        images = ops.transpose(_rows_moved(images, uniform, fill), (0, 2, 1, 3))
    return images


def _rows_moved(images, uniform, fill):
    count, size, _, channels = ops.shape(images)
    limit = int(size / 8 + 0.5)
    shift = ops.cast(ops.floor(uniform * (2 * limit + 1)), "int32") - limit
    source = ops.arange(size, dtype="int32") + ops.reshape(shift, (-1, 1))
    inside = ops.reshape((source >= 0) & (source < size), (count, size, 1, 1))
    # One table of all rows of all images has a gradient whose shape XLA knows.
    table = ops.reshape(images, (count * size, size * channels))
    first = size * ops.reshape(ops.arange(count, dtype="int32"), (-1, 1))
    moved = ops.take(table, first + ops.clip(source, 0, size - 1), axis=0)
    moved = ops.reshape(moved, (count, size, size, channels))
    return ops.where(inside, moved, ops.cast(fill, images.dtype))


def _cutout(images, uniforms, fill):
    size = images.shape[1]
    length = int(size / 2 + 0.5)
    inside = True
    for axis, uniform in zip((1, 2), uniforms):
        # The center may be any pixel or, for an even length, any edge between two.
        places = size + (1 - length % 2)
        first = ops.cast(ops.floor(uniform * places), "int32") - length // 2
        shape = [1, 1, 1, 1]
        shape[axis] = size
        place = ops.reshape(ops.arange(size, dtype="int32"), shape)
        inside = inside & (place >= first) & (place < first + length)
    return ops.where(inside, ops.cast(fill, images.dtype), images)


_CHANGES = {
    "flip": _flip,
    "colour": _colour,
    "translation": _translation,
    "cutout": _cutout,
}


@keras.saving.register_keras_serializable(package="sagan_tf")
class Augmentation(keras.layers.Layer):
    """`augment` as a layer, with a probability that may adapt to the discriminator.

    With a target, the probability starts at 0. It rises while the discriminator's
    logits of real images are more often positive than the target says, which is a sign
    of overfitting, and falls otherwise (adaptive discriminator augmentation,
    arXiv 2006.06676, section 3).

    Args:
        kinds: sequence of names in `KINDS`.
        fill: `"zero"` or `"black"`, see `augment`.
        target: float in (-1, 1), target of the mean sign of the logits of real images;
            0.6 in the paper. `None` for a probability of 1.
        adaptation_images: int, number of images over which the probability can rise
            from 0 to 1; 500,000 in the paper.

    Attributes:
        probability: float32 variable; the constant 1.0 without a target.

    Call arguments:
        inputs: list of images and uniforms, see `augment`.

    Raises:
        BadInput: an argument is out of range.
    """

    def __init__(
        self, kinds, fill="zero", target=None, adaptation_images=500_000, **kwargs
    ):
        super().__init__(**kwargs)
        check_kinds(kinds)
        if fill not in FILLS:
            raise BadInput(
                f"fill must be one of {', '.join(FILLS)}. Received: {fill!r}."
            )
        if not (target is None or -1 < target < 1) or adaptation_images < 1:
            raise BadInput(
                "target must be above -1 and below 1, or None, and adaptation_images "
                f"at least 1. Received: {target}, {adaptation_images}. Try 0.6 and "
                "500_000."
            )
        self.kinds = tuple(kinds)
        self.fill = fill
        self.target = target
        self.adaptation_images = adaptation_images
        self.probability = 1.0
        if target is not None:
            self.probability = self.add_weight(
                (),
                "zeros",
                dtype="float32",
                trainable=False,
                name="probability",
                aggregation="only_first_replica",
            )
        self.built = True

    def call(self, inputs):
        images, uniforms = inputs
        return augment(images, uniforms, self.kinds, self.probability, self.fill)

    def adapt(self, sign, count):
        """Moves the probability by one step. Without a target it does nothing.

        Args:
            sign: scalar tensor in [-1, 1], the mean sign of logits of real images.
            count: int or int tensor, the number of these images.
        """
        if self.target is None:
            return
        change = ops.cast(count, "float32") / self.adaptation_images
        moved = self.probability + ops.sign(sign - self.target) * change
        self.probability.assign(ops.clip(moved, 0.0, 1.0))

    def get_config(self):
        return {
            **super().get_config(),
            "kinds": self.kinds,
            "fill": self.fill,
            "target": self.target,
            "adaptation_images": self.adaptation_images,
        }
