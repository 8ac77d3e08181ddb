"""Figures that tell a training that goes well from one that goes wrong."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from sagan_tf.layers import SpectralNormalization
from sagan_tf.model import latents

# Pictures are compared as blocks of this many locations a side.
_BLOCKS = 8
# So many fakes of one label are compared with one another.
_GROUP = 8


@dataclasses.dataclass(frozen=True)
class FixedBatch:
    """What every look sees, so that looks can be compared.

    Attributes:
        images: `(B, R, R, C)` float32 in [-1, 1], real; B even.
        labels: `(B,)` int32, theirs and the fakes', or `None` when unconditional.
        z: `(B, z_dim)` float32.
    """

    images: np.ndarray
    labels: np.ndarray | None
    z: np.ndarray


def make_fixed_batch(images, labels=None, *, z_dim=128, seed=0):
    """A `FixedBatch` of real images, with z that the seed decides.

    Args:
        images: `(B, R, R, C)` array in [-1, 1], B at least 2 and R a multiple of 8;
            about 32 images, of all classes.
        labels: `(B,)` ints, or `None` when unconditional.
        z_dim: int.
        seed: int.

    Raises:
        ValueError: there are too few images to compare.
    """
    images = np.asarray(images, np.float32)
    if images.ndim != 4 or len(images) < 2:
        raise ValueError(
            "images must be at least 2 pictures, (B, R, R, C). Received: shape "
            f"{images.shape}. Try 32 of the training images."
        )
    labels = None if labels is None else np.asarray(labels, np.int32)
    z = latents.draw_z(range(len(images)), z_dim, seed).numpy()
    return FixedBatch(images, labels, z)


class Examiner:
    """Looks at a model again and again, without changing it.

    Args:
        model: compiled `SAGAN`.
        batch: `FixedBatch`.
    """

    def __init__(self, model, batch):
        self._model = model
        self._batch = batch
        self._real = [max(d, 1e-12) for d in distances(batch.images)]
        # AutoGraph would read this file at the first look, which may be days later.
        self._measure = tf.function(self._logits_and_gradients, autograph=False)

    def examine(self):
        """Looks at the model as it is now.

        Returns:
            Dict of figure to float:

            - `sigma_<network>/<layer>`: estimate of the largest singular value, divided
              by the value itself; 1 when the power iteration has converged;
            - `gamma_...`: as in the metrics;
            - `logit_gap`: mean logit of real images minus that of fakes;
            - `gradient_norm_g`, `gradient_norm_d`: L2 norms over all weights of the
              gradients of both losses;
            - `diversity` and `nearest`: see `variety`.
        """
        model, batch = self._model, self._batch
        figures = {
            f"sigma_{network.name}/{_name(layer, network)}": float(layer.sigma())
            / max(layer.exact_sigma(), 1e-12)
            for network in (model.generator, model.discriminator)
            for layer in network._flatten_layers()
            if isinstance(layer, SpectralNormalization)
        }
        figures |= {name: float(gamma) for name, gamma in model.gammas().items()}
        measured = self._measure(batch.images, batch.labels, batch.z)
        figures |= {name: float(value) for name, value in measured.items()}
        return figures | self.variety()

    def variety(self):
        """How much fakes differ: those of eight z with one label are compared.

        Returns:
            Dict of figure to float, both of which are 1 for the real images of the
            batch, whatever their labels (see `distances`):

            - `diversity`: mean distance of fakes from one another. It is near 0 if
              every z gives the same picture;
            - `nearest`: mean distance of a fake from the one that is most like it. It
              is near 0 if there are a few pictures for all z, be they far apart.
        """
        z, labels = self._batch.z, self._batch.labels
        if labels is not None:
            labels = np.repeat(labels[::_GROUP], _GROUP)[: len(z)]
        fakes = self._model.generate(z, labels, ema=False).numpy()
        groups = [fakes[i : i + _GROUP] for i in range(0, len(fakes), _GROUP)]
        found = np.mean([distances(group) for group in groups if len(group) > 1], 0)
        shares = (float(fake / real) for fake, real in zip(found, self._real))
        return dict(zip(("diversity", "nearest"), shares, strict=True))

    def _logits_and_gradients(self, images, labels, z):
        model = self._model
        # Neither `u` nor the averages of batch normalization move.
        with keras.StatelessScope(), tf.GradientTape(persistent=True) as tape:
            g_loss = model.generator_loss(z, labels)
            inputs = z if labels is None else [z, labels]
            fakes = tf.stop_gradient(model.generator(inputs, training=True))
            both = None if labels is None else tf.concat([labels, labels], 0)
            d_loss, logits, _ = model.discriminator_loss(images, fakes, both)
        real, fake = tf.split(logits, 2)
        return {
            "logit_gap": tf.reduce_mean(real) - tf.reduce_mean(fake),
            "gradient_norm_g": _norm(tape, g_loss, model.generator),
            "gradient_norm_d": _norm(tape, d_loss, model.discriminator),
        }


def _name(layer, network):
    """Where a layer is inside its network: `block_8x8/batch_norm_1/gain`."""
    return layer.u.path.removeprefix(f"{network.name}/").removesuffix("/u")


def _norm(tape, loss, network):
    gradients = tape.gradient(loss, network.trainable_variables)
    return tf.linalg.global_norm([tf.cast(each, tf.float32) for each in gradients])


def distances(images):
    """L2 distances of pictures from one another, as means over 8x8 blocks.

    Args:
        images: `(N, R, R, C)` array, N at least 2, R a multiple of 8.

    Returns:
        The mean of all distances, and the mean of those to the nearest other picture:
        two floats.
    """
    count, size = len(images), images.shape[1] // _BLOCKS
    blocks = np.asarray(images, np.float64)
    blocks = blocks.reshape(count, _BLOCKS, size, _BLOCKS, size, -1).mean((2, 4))
    flat = blocks.reshape(count, -1)
    others = [np.delete(flat, i, axis=0) - flat[i] for i in range(count)]
    found = np.linalg.norm(others, axis=-1)
    return float(found.mean()), float(found.min(axis=1).mean())


@dataclasses.dataclass(frozen=True)
class Complaint:
    """Something that is wrong.

    Attributes:
        kind: str, one word for it.
        text: str, what was seen, what it means and what to try.
        is_collapse: bool, whether the pictures are lost, or about to be.
    """

    kind: str
    text: str
    is_collapse: bool = False


# How far fakes with one label must be from one another, and from the most similar one,
# relative to real images; the largest gap of logits that a hinge loss still does
# something about; the smallest share of a singular value that a power iteration may
# see; how often the median a gradient may be, what part of it that of the generator
# must be, and the norm below which it learns nothing.
LEAST_DIVERSITY = 0.15
LEAST_NEAREST = 0.45
LARGEST_GAP = 6.0
LEAST_SIGMA = 0.8
LARGEST_GRADIENT = 100.0
LEAST_GRADIENT_SHARE = 0.03
LEAST_GRADIENT = 1e-3
# Looks that a run has to begin: a new generator draws nearly the same for every z, and
# a new discriminator says anything.
PATIENCE_LOOKS = 3
_NOT_FIGURES = ("step", "complaints")


def figures_of(look):
    """The figures of a line of health.jsonl: dict; what JSON has no number for is NaN.

    Args:
        look: dict.
    """
    return {
        name: float("nan") if value is None else value
        for name, value in look.items()
        if name not in _NOT_FIGURES
    }


def complaints(figures, earlier=()):
    """What is wrong with a training, in plain words.

    Args:
        figures: dict, from `Examiner.examine`.
        earlier: sequence of such dicts, of earlier looks at the same run.

    Returns:
        List of `Complaint`.
    """
    bad = next((name for name, v in figures.items() if not np.isfinite(v)), None)
    if bad is not None:
        return [
            Complaint(
                "nonfinite",
                f"{bad} is not finite: the training is lost. Try lower learning rates, "
                "or float32 instead of half precision.",
                is_collapse=True,
            )
        ]
    return [
        *(_about_diversity(figures, earlier) or _about_nearest(figures, earlier)),
        *_about_logits(figures, earlier),
        *_about_sigma(figures),
        *_about_gradients(figures, earlier),
        *_about_vanished_gradients(figures, earlier),
    ]


def _about_diversity(figures, earlier):
    if figures["diversity"] >= LEAST_DIVERSITY:
        return []
    seen = (
        f"Pictures of different z look alike: their mean distance is "
        f"{figures['diversity']:.3f} of the real images' (below {LEAST_DIVERSITY})"
    )
    if len(earlier) < PATIENCE_LOOKS:
        text = f"{seen}. That is usual of a generator that has hardly been trained."
        return [Complaint("diversity", f"{text} Try to wait for the next looks.")]
    best = max((look["diversity"] for look in earlier), default=0.0)
    what = f"The generator has collapsed, or never begun: the most was {best:.3f}."
    remedy = (
        "Try --spectral_norm=both, a larger --discriminator_learning_rate, more "
        "--discriminator_channels, or a larger --batch_size."
    )
    return [Complaint("diversity", f"{seen}. {what} {remedy}", is_collapse=True)]


def _about_nearest(figures, earlier):
    # Runs of earlier versions have looks without it.
    nearest = figures.get("nearest", 1.0)
    if nearest >= LEAST_NEAREST or len(earlier) < PATIENCE_LOOKS:
        return []
    return [
        Complaint(
            "nearest",
            "The generator draws a few pictures of each class again and again: the "
            f"most similar of eight are {nearest:.3f} as far apart as real images "
            f"(below {LEAST_NEAREST}). Try a larger --discriminator_learning_rate, "
            "more --discriminator_steps, or more --discriminator_channels.",
        )
    ]


def _about_logits(figures, earlier):
    if figures["logit_gap"] <= LARGEST_GAP:
        return []
    return [
        Complaint(
            "logits",
            "The discriminator tells real from generated by a margin of "
            f"{figures['logit_gap']:.1f} (above {LARGEST_GAP}); hinge asks for 2. It "
            "has won, or knows the images by heart. Try --spectral_norm=both, --flip, "
            "more images, or a smaller --discriminator_learning_rate.",
            is_collapse=len(earlier) >= PATIENCE_LOOKS,
        )
    ]


def _about_sigma(figures):
    shares = {k: v for k, v in figures.items() if k.startswith("sigma_")}
    name = min(shares, key=shares.get, default=None)
    if name is None or shares[name] >= LEAST_SIGMA:
        return []
    return [
        Complaint(
            "sigma",
            f"{name.removeprefix('sigma_')} is divided by {shares[name]:.2f} of its "
            f"largest singular value (below {LEAST_SIGMA}): the power iteration does "
            "not keep up with the weight. Try --power_iterations=2, or lower learning "
            "rates.",
        )
    ]


def _about_gradients(figures, earlier):
    found = []
    for letter, network in (("g", "generator"), ("d", "discriminator")):
        name = f"gradient_norm_{letter}"
        usual = _usual(name, figures, earlier)
        if figures[name] > LARGEST_GRADIENT * usual > 0:
            found.append(
                Complaint(
                    f"gradient_{letter}",
                    f"The {network}'s gradient, {figures[name]:.3g}, is more than "
                    f"{LARGEST_GRADIENT:.0f} times its usual {usual:.3g}. Try a lower "
                    f"--{network}_learning_rate.",
                )
            )
    return found


def _about_vanished_gradients(figures, earlier):
    norm = figures["gradient_norm_g"]
    usual = _usual("gradient_norm_g", figures, earlier)
    least = max(LEAST_GRADIENT, LEAST_GRADIENT_SHARE * usual)
    if norm >= least or len(earlier) < PATIENCE_LOOKS:
        return []
    return [
        Complaint(
            "vanished",
            f"The generator's gradient, {norm:.1g}, has vanished (below {least:.1g}; "
            f"usual: {usual:.2g}): it learns next to nothing. The discriminator says "
            "nearly the same of every picture, or its ReLUs have died. Try lower "
            "learning rates, that of the discriminator first, or another --seed.",
            is_collapse=True,
        )
    ]


def _usual(name, figures, earlier):
    """The median of a figure in the earlier looks, or its value in the first."""
    before = [look[name] for look in earlier if np.isfinite(look[name])]
    return float(np.median(before)) if before else figures[name]
