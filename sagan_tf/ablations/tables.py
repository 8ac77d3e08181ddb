"""The tables of an ablation's report, in the layout of the paper's tables."""

import statistics

from sagan_tf.ablations import matrix
from sagan_tf.ablations.runs import over_steps

STABILIZATION = {
    "sn_d_only": "SN on D",
    "sn_both": "SN on G and D",
    "no_attention": "SN on G and D, TTUR",
}
# Label; FID and IS in tables 1 and 2 of arXiv 1805.08318 (ImageNet at 128 pixels).
_SYSTEMS = {
    "no_attention": ("no attention", 22.96, 42.87),
    "feat8": ("SAGAN feat8", 22.98, 43.15),
    "feat16": ("SAGAN feat16", 22.14, 45.94),
    "feat32": ("SAGAN feat32", 18.28, 51.43),
    "feat64": ("SAGAN feat64", 18.65, 52.52),
    "residual_feat8": ("Residual feat8", 42.13, 23.17),
    "residual_feat16": ("Residual feat16", 22.40, 44.49),
    "residual_feat32": ("Residual feat32", 27.33, 38.50),
    "residual_feat64": ("Residual feat64", 28.82, 38.96),
    "ac_gan": ("AC-GAN (class losses in our network)", None, 28.5),
    "sngan_projection": ("SNGAN-projection", 27.62, 36.8),
}
# FID at 10,000, 160,000 and 260,000 steps, read from the paper's figure 3.
_PAPER_FIDS = {
    "sn_d_only": "*181.84 at 10k*",
    "sn_both": "*93.52 at 10k, 33.39 at 160k, 72.41 at 260k*",
    "no_attention": "*99.04 at 10k, 40.96 at 160k, 34.62 at 260k*",
}
# Label, name in an evaluation, decimals.
_METRICS = (
    ("FID", "fid", 2),
    ("IS", "inception_score", 2),
    ("precision", "precision", 3),
    ("recall", "recall", 3),
)
_LABELS = [label for label, _, _ in _METRICS]


def table(header, rows):
    """Returns a Markdown table: str.

    Args:
        header: list of str.
        rows: list of lists of str, as long as `header`.
    """
    lines = ["| " + " | ".join(row) + " |" for row in (header, *rows)]
    lines.insert(1, "|" + " --- |" * len(header))
    return "\n".join(lines)


def stabilization(runs):
    """Yields the comparison of the paper's figure 3.

    Like all tables below, it yields paragraphs, or nothing if no runs can be compared.

    Args:
        runs: dict of the cells' names to lists of `Run`.
    """
    names = [name for name in STABILIZATION if name in runs]
    if len(names) < 2:
        return
    yield "## Stabilization (the paper's figure 3)"
    steps = {step for n in names for run in runs[n] for step in run.evaluations}
    earlier = sorted(steps)[:-1]  # The last step has a column of its own.
    shown = sorted({earlier[len(earlier) * i // 4] for i in range(4) if earlier})
    rows = []
    for name in names:
        fids = over_steps(runs[name], "fid")
        means = [_mean(fids[step], 2) if step in fids else "-" for step in shown]
        quality = _quality(runs[name])
        rows.append([STABILIZATION[name], *means, *quality, _PAPER_FIDS[name]])
    heads = [f"FID at {step:,}" for step in shown]
    heads += ["FID at the end", *_LABELS[1:], "*paper, FID*"]
    yield table(["system", *heads], rows)


def attention(runs):
    """Yields the paper's table 1: attention and residual blocks."""
    names = ("no_attention", *matrix.ATTENTION, *matrix.RESIDUAL)
    names = [name for name in names if name in runs]
    if len(names) < 2:
        return
    yield "## Attention and residual blocks (the paper's table 1)"
    rows = []
    for index, (label, metric, decimals) in enumerate(_METRICS):
        values = [_metric(runs[name], metric, decimals) for name in names]
        rows.append([label, *values])
        if label in ("FID", "IS"):
            published = [_published(name, index) for name in names]
            rows.append([f"*paper, {label}*", *published])
    yield table(["", *(_SYSTEMS[name][0] for name in names)], rows)


def conditional(runs):
    """Yields the paper's table 2: other conditional systems."""
    if not set(matrix.CONDITIONAL) & set(runs):
        return
    yield "## Against other systems (the paper's table 2)"
    rows = []
    for name in (*matrix.CONDITIONAL, *matrix.ATTENTION):
        if name in runs:
            accuracy = _metric(runs[name], "class_accuracy", 3)
            published = [_published(name, index) for index in (0, 1)]
            row = [_SYSTEMS[name][0], *_quality(runs[name]), accuracy, *published]
            rows.append(row)
    heads = [*_LABELS, "class accuracy", "*paper, FID*", "*paper, IS*"]
    yield table(["system", *heads], rows)


def settings(runs):
    """Yields a table of the cells that are in none of the paper's tables."""
    names = [name for name in runs if name not in matrix.MATRICES["paper"]]
    if not names:
        return
    yield "## Single settings"
    if "feat32" in runs:
        names = ["feat32", *names]
        config = next((run.config for run in runs["feat32"] if run.config), {})
        sizes = ", ".join(f"{s}x{s}" for s in config.get("attention_resolution", ()))
        yield f"Each cell changes one setting of feat32 (attention at {sizes or '-'})."
    titles = {name: name.replace("_", " ") for name in names} | {"feat32": "nothing"}
    rows = [[titles[name], *_quality(runs[name])] for name in names]
    yield table(["changed", *_LABELS], rows)


def deviation(values):
    """Returns the sample standard deviation (n - 1), 0 for a single value: float."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def _quality(runs):
    return [_metric(runs, name, decimals) for _, name, decimals in _METRICS]


def _metric(runs, name, decimals):
    """Returns a metric of a cell's last steps, and how many runs lack it: str."""
    values = [value for run in runs if (value := run.last(name)) is not None]
    states = [run.state for run in runs]
    lost = [state for state in ("diverged", "collapsed") if state in states]
    if not values:
        return ", ".join(lost) or "-"
    text = _mean(values, decimals)
    if lost:
        counts = [f"{states.count(state)} of {len(runs)} {state}" for state in lost]
        text += f" ({', '.join(counts)})"
    elif len(values) < len(runs):
        text += f" ({len(values)} of {len(runs)} runs)"
    return text


def _mean(values, decimals):
    text = f"{statistics.fmean(values):.{decimals}f}"
    if len(values) > 1:
        text += f" ± {deviation(values):.{decimals}f}"
    return text


def _published(name, index):
    value = _SYSTEMS[name][1 + index]
    return "-" if value is None else f"*{value:.2f}*"
