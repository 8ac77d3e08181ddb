"""Computes other packages' values, with which our metrics are compared.

    python3.11 -m venv /tmp/peers
    /tmp/peers/bin/pip install torch==2.13.0 numpy scipy scikit-learn tqdm pillow \\
        requests
    /tmp/peers/bin/pip install --no-deps torch-fidelity==0.4.0 pytorch-fid==0.3.0 \\
        clean-fid==0.1.35 prdc==0.2
    /tmp/peers/bin/python scripts/peer_figures.py            # rewrites both files
    /tmp/peers/bin/python scripts/peer_figures.py --check    # fails if a value changed

Writes peer_features.npz (seeded features and logits) and peer_figures.json (the
packages' values for them, with versions and conventions) into
sagan_tf/evaluation/metrics/.
"""

import argparse
import contextlib
import importlib.metadata
import json
import math
import os
import pathlib
import platform
import sys
import types

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "sagan_tf" / "evaluation" / "metrics"
FEATURES, FIGURES = FOLDER / "peer_features.npz", FOLDER / "peer_figures.json"
SEED = 20190612
# The tolerance between two runs of the same packages on different processors.
SAME = 1e-7


def make_arrays():
    """Draws arrays, float16: every package reads the same numbers in any precision.

    Returns:
        Dict: real (500, 48) and fake (400, 48), which differ in mean, covariance and
        shape; few_real (60, 96) and few_fake (50, 96), whose covariances have no full
        rank; logits (400, 10).
    """
    rng = np.random.default_rng(SEED)

    def features(count, size, scale, shift):
        mixing = rng.normal(size=(size, size)) * np.geomspace(1, 0.05, size)
        hidden = rng.normal(size=(count, size)) @ mixing.T * scale / np.sqrt(size)
        # Like pooled features: never negative, and nothing like Gaussian.
        return np.logaddexp(0, 2 * hidden + shift)

    arrays = {
        "real": features(500, 48, 1.0, 0.0),
        "few_real": features(60, 96, 1.0, 0.0),
        "few_fake": features(50, 96, 1.2, 0.3),
        "logits": 3 * rng.normal(size=(400, 10)) + np.linspace(0, 2, 10),
    }
    # Near real rows, or precision and recall would be 0.
    chosen = arrays["real"][rng.integers(0, 250, size=400)]
    noise = rng.normal(size=(400, 48)) * np.linspace(0.05, 0.65, 48)
    arrays["fake"] = np.abs(0.95 * chosen + noise)
    return {name: values.astype(np.float16) for name, values in arrays.items()}


def let_them_be_imported():
    """Puts an empty module in place of torchvision, where it is not installed.

    The packages import it for networks and images; their functions on features do not
    use it. No torchvision fits every build of torch.
    """
    with contextlib.suppress(ImportError):
        import torchvision  # noqa: F401

        return

    class Empty(types.ModuleType):
        __path__ = ()

        def __getattr__(self, name):
            if name.startswith("__"):
                raise AttributeError(name)
            # clean-fid derives classes from torchvision's.
            return type(name, (), {}) if name[0].isupper() else Empty(name)

    for name in ("", ".datasets", ".transforms", ".transforms.functional", ".models"):
        sys.modules["torchvision" + name] = Empty("torchvision" + name)


def figure(metric, value, package, function, convention, **settings):
    """Returns one entry of the JSON file."""
    if not math.isfinite(value):
        raise ValueError(f"{function} gave {value} for {metric} of {settings}.")
    return {
        "metric": metric,
        **settings,
        "value": float(value),
        "package": package,
        "version": importlib.metadata.version(package),
        "function": function,
        "convention": convention,
    }


def frechet_figures(arrays, real_name, fake_name):
    """Yields FIDs of three packages: they take moments or float64 features."""
    import torch
    from cleanfid.fid import fid_from_feats
    from pytorch_fid.fid_score import calculate_frechet_distance
    from torch_fidelity.metric_fid import (
        fid_features_to_statistics,
        fid_statistics_to_metric,
    )

    names = {"real": real_name, "fake": fake_name}
    real, fake = arrays[real_name], arrays[fake_name]
    statistics = [fid_features_to_statistics(torch.from_numpy(x)) for x in (real, fake)]
    yield figure(
        "frechet_distance",
        fid_statistics_to_metric(*statistics, False)["frechet_inception_distance"],
        "torch-fidelity",
        "metric_fid.fid_statistics_to_metric(fid_features_to_statistics(...))",
        "covariance over N - 1; roots of the eigenvalues of C1 C2, real parts",
        **names,
    )
    moments = [f(x) for x in (real, fake) for f in (means, covariances)]
    root = "covariance over N - 1; scipy.linalg.sqrtm(C1 C2), real part; 1e-6 is added "
    root += "to the diagonals only if that root is not finite"
    yield figure(
        "frechet_distance",
        calculate_frechet_distance(*moments),
        "pytorch-fid",
        "fid_score.calculate_frechet_distance",
        root,
        **names,
    )
    yield figure(
        "frechet_distance",
        fid_from_feats(real, fake),
        "clean-fid",
        "fid.fid_from_feats (fid.frechet_distance)",
        root,
        **names,
    )


def means(features):
    """Returns the mean (D,)."""
    return features.mean(axis=0)


def covariances(features):
    """Returns the covariance (D, D), over N - 1."""
    return np.cov(features, rowvar=False)


def kernel_figures(arrays):
    """Yields KIDs of one subset that holds all rows, so that nothing is drawn."""
    import torch
    from cleanfid.fid import kernel_distance
    from torch_fidelity.metric_kid import kid_features_to_metric

    rows = len(arrays["fake"])
    real, fake = arrays["real"][:rows], arrays["fake"]
    settings = {"real": "real", "fake": "fake", "rows": rows}
    convention = "unbiased, kernel (x.y / D + 1)^3, one subset of all rows"
    yield figure(
        "kernel_distance",
        kid_features_to_metric(
            *(torch.from_numpy(features) for features in (real, fake)),
            kid_subsets=1,
            kid_subset_size=rows,
            verbose=False,
        )["kernel_inception_distance_mean"],
        "torch-fidelity",
        "metric_kid.kid_features_to_metric(kid_subsets=1, kid_subset_size=400)",
        convention,
        **settings,
    )
    yield figure(
        "kernel_distance",
        kernel_distance(real, fake, num_subsets=1, max_subset_size=rows),
        "clean-fid",
        "fid.kernel_distance(num_subsets=1, max_subset_size=400)",
        convention,
        **settings,
    )


def inception_score_figures(arrays):
    """Yields IS of one split and of ten: mean, and sd over splits."""
    import torch
    from torch_fidelity.metric_isc import isc_features_to_metric

    for splits in (1, 10):
        result = isc_features_to_metric(
            torch.from_numpy(arrays["logits"]), splits=splits, shuffle=False
        )
        for metric, key in (("inception_score", "mean"), ("inception_score_sd", "std")):
            yield figure(
                metric,
                result[f"inception_score_{key}"],
                "torch-fidelity",
                f"metric_isc.isc_features_to_metric(splits={splits}, shuffle=False)",
                "contiguous splits in the order of the rows; sd over the number of "
                "splits. By default torch-fidelity shuffles first.",
                logits="logits",
                splits=splits,
            )


def neighbour_figures(arrays):
    """Yields precision, recall, density and coverage."""
    import torch
    from prdc import compute_prdc
    from torch_fidelity.metric_prc import prc_features_to_metric

    names = {"real": "real", "fake": "fake"}
    pair = [torch.from_numpy(arrays[name]) for name in ("fake", "real")]
    for neighbours in (3, 5):
        result = prc_features_to_metric(
            *pair, prc_neighborhood=neighbours, save_cpu_ram=False, verbose=False
        )
        for metric in ("precision", "recall"):
            yield figure(
                metric,
                result[metric],
                "torch-fidelity",
                f"metric_prc.prc_features_to_metric(prc_neighborhood={neighbours})",
                "generated features come first; a ball's border belongs to it",
                neighbours=neighbours,
                **names,
            )
        result = compute_prdc(arrays["real"], arrays["fake"], neighbours)
        for metric in ("precision", "recall", "density", "coverage"):
            yield figure(
                metric,
                result[metric],
                "prdc",
                f"prdc.compute_prdc(nearest_k={neighbours})",
                "a ball's border does not belong to it",
                neighbours=neighbours,
                **names,
            )


def report(arrays):
    """Returns everything that goes into the JSON file."""
    doubles = {name: values.astype(np.float64) for name, values in arrays.items()}
    libraries = ("numpy", "scipy", "scikit-learn", "torch")
    return {
        "about": "What other packages say about the arrays of peer_features.npz.",
        "command": "python scripts/peer_figures.py (its first lines say in which venv)",
        "features": f"float16 in the file, seed {SEED}; given to all as float64",
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in libraries},
        },
        "figures": [
            *frechet_figures(doubles, "real", "fake"),
            *frechet_figures(doubles, "few_real", "few_fake"),
            *kernel_figures(doubles),
            *inception_score_figures(doubles),
            *neighbour_figures(doubles),
        ],
    }


def replace(path, contents):
    """Writes bytes under a temporary name, then renames."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(contents)
    os.replace(temporary, path)


def moved(new, old):
    """Yields a sentence about each value that has changed."""
    for now, before in zip(new["figures"], old["figures"], strict=True):
        if not math.isclose(now["value"], before["value"], rel_tol=SAME, abs_tol=SAME):
            yield (
                f"{now['metric']} of {now['package']} was {before['value']}, "
                f"is {now['value']}"
            )


def main():
    """Writes or checks the two files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; compare")
    check = parser.parse_args().check
    let_them_be_imported()
    if check:
        with np.load(FEATURES) as file:
            new = report(dict(file))
        old = json.loads(FIGURES.read_text(encoding="utf-8"))
        return "\n".join(moved(new, old)) or 0
    arrays = make_arrays()
    text = json.dumps(report(arrays), indent=1) + "\n"
    temporary = FEATURES.with_name("peer_features.tmp.npz")
    np.savez_compressed(temporary, **arrays)
    os.replace(temporary, FEATURES)
    replace(FIGURES, text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
