"""FreezeD: the discriminator's first blocks are not trained."""

import numbers

from sagan_tf.errors import BadInput
from sagan_tf.layers import DiscriminatorOptimizedBlock


def freeze_blocks(discriminator, count):
    """Stops the training of the blocks that are nearest to the image.

    They keep what they have learned on other images, so that the rest can be fine-tuned
    on few images. An attention layer between two frozen blocks is frozen with them; one
    after the last frozen block is trained.

    A frozen layer's `u` and `W / sigma` do not change either: the layer is the same
    function at every step. If `count` is 0, layers that were frozen stay frozen.

    Args:
        discriminator: `keras.Model`, as `build_discriminator` builds it.
        count: int, blocks to freeze, from 0 to the number of its blocks.

    Raises:
        BadInput: `count` is something else.

    Reference: Mo et al., Freeze the Discriminator: a Simple Baseline for Fine-Tuning
        GANs, arXiv 2002.10964
    """
    blocks = [
        place
        for place, layer in enumerate(discriminator.layers)
        if isinstance(layer, DiscriminatorOptimizedBlock)
    ]
    is_int = isinstance(count, numbers.Integral) and not isinstance(count, bool)
    if not is_int or not 0 <= count <= len(blocks):
        raise BadInput(
            f"freeze_discriminator_blocks must be an int from 0 to {len(blocks)}, the "
            f"number of blocks of the discriminator. Received: {count!r}. Try 0."
        )
    last = blocks[count - 1] if count else -1
    for layer in discriminator.layers[: last + 1]:
        # TensorFlow ignores an assignment that does not change the attribute. But the
        # parts of a frozen layer that was loaded from a file are not frozen.
        layer.trainable = True
        layer.trainable = False
