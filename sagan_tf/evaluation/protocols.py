"""Protocols: named ways to evaluate.

The FID of the same weights has differed by 5 between two protocols, so a `Protocol` is
printed and stored with every result.
"""

import dataclasses

from sagan_tf.errors import BadInput


@dataclasses.dataclass(frozen=True)
class Protocol:
    """Everything that decides a value, besides the data and the feature network.

    Attributes:
        name: str; `changed` adds what was changed.
        source: str, who evaluates like this.
        split: `"train"` or `"validation"`, the part of the data with the real images.
        num_real: int, real images; `None` for all of the split.
        num_fake: int, generated images, with z and uniform labels of images 0, 1, 2,
            ... of `seed` (see `latents.py`).
        resize: one of `images.RESIZE_METHODS`, which resizes a real image's central
            square to the generator's resolution. The feature network resizes real and
            generated images alike.
        quantize: bool, whether generated images are rounded to the 256 values of real
            images.
        ema: bool, whether the averaged generator is used, if the run has one.
        truncation: `None`, or a float > 0: see `latents.draw_z`.
        standing_batches: int. With 0, batch normalization uses its moving averages.
            With N, it uses standing statistics of N batches of `standing_batch_size`
            (see `standing_statistics.py`).
        standing_batch_size: int, images.
        seed: int, for z and fake labels. The real images do not depend on it.
        max_neighbour_images: int, the number of first images of each set that
            precision, recall, density, coverage and KID use.

    Raises:
        BadInput: a number is out of range.
    """

    name: str
    source: str
    split: str = "train"
    num_real: int | None = 50_000
    num_fake: int = 50_000
    resize: str = "antialiased_bilinear"
    quantize: bool = False
    ema: bool = True
    truncation: float | None = None
    standing_batches: int = 0
    standing_batch_size: int = 64
    seed: int = 0
    max_neighbour_images: int = 10_000

    def __post_init__(self):
        for key, least in (("num_fake", 2), ("standing_batches", 0), ("seed", 0)):
            if getattr(self, key) < least:
                raise BadInput(
                    f"{key} must be at least {least}. Received: {getattr(self, key)}."
                )
        if self.truncation is not None and self.truncation <= 0:
            raise BadInput(
                f"truncation must be above 0. Received: {self.truncation}. "
                "Try --truncation=0.5."
            )

    def changed(self, changes):
        """Returns the protocol with other values, which become a part of its name.

        Args:
            changes: dict of fields to values; `None` and present values are ignored.

        Raises:
            BadInput: a value is out of range.
        """
        new = {k: v for k, v in changes.items() if v not in (None, getattr(self, k))}
        name = "".join(f"+{key}={value}" for key, value in new.items())
        return dataclasses.replace(self, name=self.name + name, **new)

    def describe(self, num_real=None):
        """Describes the protocol: list of lines.

        Args:
            num_real: int, available real images; `None` if their number is not known.
        """
        real = "all" if self.num_real is None else f"{self.num_real:,}"
        if num_real is not None and self.num_real is None:
            real = f"all {num_real:,}"
        elif num_real not in (None, self.num_real):
            real = f"{num_real:,} (not {real}: there are no more)"
        norm = "moving averages"
        if self.standing_batches:
            batches = f"{self.standing_batches} batches of {self.standing_batch_size}"
            norm = f"standing statistics of {batches}"
        return [
            f"{self.name}: {self.num_fake:,} generated images, {real} real ones of the "
            f"{self.split} split ({self.source})",
            f"resize {self.resize}; generated images "
            f"{'rounded to' if self.quantize else 'not rounded to'} 256 values; "
            f"{'EMA weights if there are any' if self.ema else 'no EMA'}; truncation "
            f"{self.truncation or 'none'}; batch norm: {norm}; seed {self.seed}",
        ]


# This differs from the official code: `eval_imagenet.py` normalizes with the statistics
# of each batch of 100, so an image depends on 99 others, and it updates `u`.
# --standing_batches comes closest.
_ALL = (
    Protocol(
        "official-train-50k",
        "the paper's numbers: eval_imagenet.py of the official code, with 50,000",
        ema=False,
    ),
    Protocol(
        "tfgan-validation-50k",
        "TF-GAN's self-attention example: 49 batches of 1,024",
        split="validation",
        num_real=50_176,
        num_fake=50_176,
        resize="bilinear",
        ema=False,
    ),
    Protocol(
        "biggan-train-full",
        "BigGAN-PyTorch: statistics of the whole training set",
        num_real=None,
    ),
    Protocol(
        "quick-5k",
        "ours, for small data sets and for use during training",
        num_real=5_000,
        num_fake=5_000,
        quantize=True,
    ),
)
PROTOCOLS = {protocol.name: protocol for protocol in _ALL}


def find_protocol(name):
    """Returns the protocol with a name.

    Raises:
        BadInput: no protocol has this name.
    """
    if name not in PROTOCOLS:
        raise BadInput(
            f"protocol must be one of {', '.join(PROTOCOLS)}. Received: {name}. "
            "Try --protocol=quick-5k."
        )
    return PROTOCOLS[name]
