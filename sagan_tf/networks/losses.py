"""GAN losses. Logits are those of the discriminator, `(B, 1)` float; means are over B.

Each pair in `LOSSES` is (discriminator, generator). A discriminator loss returns two
terms, for the real images and for the fake images. Their sum is minimized.
"""

import keras
from keras import ops


def discriminator_hinge(real_logits, fake_logits):
    """`mean max(0, 1 - real)` and `mean max(0, 1 + fake)`.

    Reference: arXiv 1805.08318, equation 4; self-attention-gan `model.py`.
    """
    return ops.mean(ops.relu(1 - real_logits)), ops.mean(ops.relu(1 + fake_logits))


def discriminator_softplus(real_logits, fake_logits):
    """`mean softplus(-real)` and `mean softplus(fake)`: the cross entropy.

    Reference: Goodfellow et al., arXiv 1406.2661, equation 1, on logits.
    """
    return ops.mean(ops.softplus(-real_logits)), ops.mean(ops.softplus(fake_logits))


def discriminator_wasserstein(real_logits, fake_logits):
    """`-mean real` and `mean fake`.

    Reference: Arjovsky et al., arXiv 1701.07875, equation 2.
    """
    return -ops.mean(real_logits), ops.mean(fake_logits)


def generator_linear(fake_logits):
    """`-mean fake`: the generator's side of hinge, "kl" and Wasserstein."""
    return -ops.mean(fake_logits)


def generator_softplus(fake_logits):
    """`mean softplus(-fake)`: the non-saturating loss.

    Reference: Goodfellow et al., arXiv 1406.2661, section 3.
    """
    return ops.mean(ops.softplus(-fake_logits))


def class_cross_entropy(class_logits, labels):
    """`-mean log softmax(class_logits)[label]`: the class loss of AC-GAN.

    Args:
        class_logits: `(B, num_classes)` float.
        labels: `(B,)` int.

    Reference: Odena et al., arXiv 1610.09585, equation 3
    """
    each = keras.losses.sparse_categorical_crossentropy(
        labels, class_logits, from_logits=True
    )
    return ops.mean(each)


def mode_seeking(images, distance):
    """`mean max(0, distance - d)` over pairs of images, `d` their distance.

    The images 2 i and 2 i + 1 are a pair, with the same label and different z; `d` is
    the root mean square of their difference. The loss penalizes nearly equal images for
    two z, until they are `distance` apart. Mode seeking (Mao et al., arXiv 1903.05628)
    has no such limit, and divides by the distance of z.

    Args:
        images: `(B, R, R, C)` float tensor. An odd last image is left out. Without a
            pair, loss and distance are 0.
        distance: float > 0.

    Returns:
        The loss, and the mean of d: float32 scalars.
    """
    pairs = images.shape[0] // 2 if images.shape[0] else ops.shape(images)[0] // 2
    images = ops.cast(images, "float32")
    first, second = images[: 2 * pairs : 2], images[1 : 2 * pairs : 2]
    squares = ops.mean(ops.square(first - second), axis=(1, 2, 3))
    # The root has no gradient at 0.
    distances = ops.sqrt(squares + 1e-8)
    lacking = ops.relu(distance - distances)
    # The mean of nothing is NaN: the last batch of an epoch may have one image.
    has_pairs = ops.greater(pairs, 0)
    return tuple(
        ops.where(has_pairs, ops.mean(each), 0.0) for each in (lacking, distances)
    )


# "kl" is the official code's name for cross entropy in the discriminator and a linear
# loss in the generator.
LOSSES = {
    "hinge": (discriminator_hinge, generator_linear),
    "kl": (discriminator_softplus, generator_linear),
    "non_saturating": (discriminator_softplus, generator_softplus),
    "wasserstein": (discriminator_wasserstein, generator_linear),
}
