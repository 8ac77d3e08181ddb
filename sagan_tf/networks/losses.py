"""GAN losses. Logits are those of the discriminator, `(B, 1)` float; means are over B.

Each pair is (discriminator, generator). A discriminator loss is returned as two terms,
whose sum is minimized: the real images' and the fake images'.
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


# "kl" is the official code's name for cross entropy in the discriminator and a linear
# loss in the generator.
LOSSES = {
    "hinge": (discriminator_hinge, generator_linear),
    "kl": (discriminator_softplus, generator_linear),
    "non_saturating": (discriminator_softplus, generator_softplus),
    "wasserstein": (discriminator_wasserstein, generator_linear),
}
