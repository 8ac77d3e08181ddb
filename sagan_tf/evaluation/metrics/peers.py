"""Values that other packages compute from a small committed file of features.

peer_features.npz   seeded features and logits
peer_figures.json   values of torch-fidelity, pytorch-fid, clean-fid and prdc

`scripts/peer_figures.py` makes both; nothing here needs those packages.
"""

import functools
import json
import math
import pathlib
from typing import NamedTuple

import numpy as np

from sagan_tf.evaluation.metrics import frechet, moments, neighbours, tfgan

_FOLDER = pathlib.Path(__file__).parent

# How far our value may lie from a peer's, relative to the larger one.
TOLERANCES = {
    # Float64 on both sides; what differs is the order of summation.
    "frechet_distance": 1e-9,
    "kernel_distance": 1e-9,
    "inception_score": 1e-9,
    "inception_score_sd": 1e-9,
    # Shares of a few hundred images: one image more would be 1e-3. torch-fidelity's
    # pass through float32.
    "precision": 1e-6,
    "recall": 1e-6,
    "density": 1e-6,
    "coverage": 1e-6,
}
# Where covariances have no full rank, peers also take the roots of what rounding leaves
# of eigenvalues that are 0: they are 1.7e-8 too small. Ours is exact (frechet_test.py).
WITHOUT_FULL_RANK = 5e-8


class Figure(NamedTuple):
    """One value of a peer.

    metric: str, a key of `TOLERANCES`.
    settings: dict: names of arrays (`real`, `fake` or `logits`), and `rows` (the first
        ones of both sets), `splits` or `neighbours` where the metric has them.
    value: float.
    package, version, function, convention: str, the origin of the value.
    """

    metric: str
    settings: dict
    value: float
    package: str
    version: str
    function: str
    convention: str


@functools.cache
def arrays():
    """The committed arrays: dict of name to float32 (N, D), read-only."""
    with np.load(_FOLDER / "peer_features.npz") as file:
        found = {name: file[name].astype(np.float32) for name in file.files}
    for values in found.values():
        values.setflags(write=False)
    return found


@functools.cache
def figures():
    """The committed figures: tuple of `Figure`."""
    text = (_FOLDER / "peer_figures.json").read_text(encoding="utf-8")
    found = []
    for entry in json.loads(text)["figures"]:
        fields = {k: entry.pop(k) for k in Figure._fields if k != "settings"}
        found.append(Figure(settings=entry, **fields))
    return tuple(found)


def measure(figure):
    """Our value of the same metric: float."""
    settings = figure.settings
    if figure.metric.startswith("inception_score"):
        logits = arrays()[settings["logits"]]
        mean, sd = frechet.inception_score(logits, settings["splits"])
        return sd if figure.metric.endswith("sd") else mean
    real, fake = (
        arrays()[settings[side]][: settings.get("rows")] for side in ("real", "fake")
    )
    if figure.metric == "frechet_distance":
        return frechet.frechet_distance(*moments.moments_of(real, fake))
    if figure.metric == "kernel_distance":
        # One block, as the peers' one subset.
        return tfgan.kernel_distance(real, fake, block_size=len(real))[0]
    k = settings["neighbours"]
    scores = neighbours.neighbour_scores(real, fake, k, k)
    return getattr(scores, figure.metric)


def tolerance(figure):
    """How far our value may lie from the peer's, relative to the larger: float."""
    full_rank = all(
        len(arrays()[name]) > arrays()[name].shape[1]
        for side, name in figure.settings.items()
        if side in ("real", "fake")
    )
    return TOLERANCES[figure.metric] if full_rank else WITHOUT_FULL_RANK


def agrees(figure, value):
    """Whether `value` is that of the peer, within `tolerance`: bool."""
    # A peer's sd of one split is exactly 0.
    return math.isclose(value, figure.value, rel_tol=tolerance(figure), abs_tol=1e-12)
