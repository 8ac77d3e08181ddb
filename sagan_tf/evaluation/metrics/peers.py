"""Values that other packages compute from a small committed file of features.

peer_features.npz   seeded features and logits
peer_figures.json   values of torch-fidelity, pytorch-fid, clean-fid and prdc

`scripts/peer_figures.py` makes both; nothing here needs those packages.
"""

import functools
import json
import math
import pathlib

import numpy as np

from sagan_tf.evaluation.metrics import frechet, moments, neighbours, tfgan

_FOLDER = pathlib.Path(__file__).parent

# The largest difference of our value from a peer's, relative to the larger value.
# Both are float64; only the order of summation differs.
TOLERANCES = dict.fromkeys(
    ("frechet_distance", "kernel_distance", "inception_score", "inception_score_sd"),
    1e-9,
)
# Shares of a few hundred images: one more image would be 1e-3. torch-fidelity's values
# pass through float32.
TOLERANCES |= dict.fromkeys(("precision", "recall", "density", "coverage"), 1e-6)
# If covariances lack full rank, peers also take the roots of zero eigenvalues, which
# rounding makes positive, so their distances are 1.7e-8 too small. Our distance is
# exact (frechet_test.py).
WITHOUT_FULL_RANK = 5e-8


# What decides a value: names of arrays; `rows`, the first ones of both sets; options.
SETTINGS = ("real", "fake", "logits", "rows", "splits", "neighbours")


@functools.cache
def arrays():
    """Reads the committed arrays: dict of name to float32 (N, D), read-only."""
    with np.load(_FOLDER / "peer_features.npz") as file:
        rows = {name: file[name].astype(np.float32) for name in file.files}
    for values in rows.values():
        values.setflags(write=False)
    return rows


@functools.cache
def figures():
    """Reads the committed values: list of dicts.

    Each has `metric`, a key of `TOLERANCES`; the `SETTINGS` that this metric has;
    `value`; and its origin: `package`, `version`, `function` and `convention`.
    """
    text = (_FOLDER / "peer_figures.json").read_text(encoding="utf-8")
    return json.loads(text)["figures"]


def measure(figure):
    """Computes our value of the same metric: float."""
    metric = figure["metric"]
    if metric.startswith("inception_score"):
        logits = arrays()[figure["logits"]]
        mean, sd = tfgan.inception_score(logits, figure["splits"])
        return sd if metric.endswith("sd") else mean
    real, fake = (
        arrays()[figure[side]][: figure.get("rows")] for side in ("real", "fake")
    )
    if metric == "frechet_distance":
        return frechet.frechet_distance(*moments.moments_of(real, fake))
    if metric == "kernel_distance":
        # One block, like the one subset of the peers.
        return tfgan.kernel_distance(real, fake, block_size=len(real))[0]
    k = figure["neighbours"]
    return neighbours.neighbour_scores(real, fake, k, k)[metric]


def tolerance(figure):
    """Returns the largest allowed difference, relative to the larger value: float."""
    names = [figure.get(side, "logits") for side in ("real", "fake")]
    full_rank = all(len(arrays()[name]) > arrays()[name].shape[1] for name in names)
    return TOLERANCES[figure["metric"]] if full_rank else WITHOUT_FULL_RANK


def agrees(figure, value):
    """Returns True if `value` is the peer's value, within `tolerance`."""
    # A peer's sd of one split is exactly 0.
    limit = tolerance(figure)
    return math.isclose(value, figure["value"], rel_tol=limit, abs_tol=1e-12)
