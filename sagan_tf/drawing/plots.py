"""metrics.png: what the figures of a run did over its steps.

Matplotlib is imported when something is drawn, so that commands start quickly, and used
through its objects alone: no window, and no state that a notebook would notice.
"""

import dataclasses
import math

import numpy as np

from sagan_tf.files import replacing

# Okabe and Ito's colours, which colour-blind people can tell apart.
_BLUE, _RED, _GREEN, _PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
_COLOURS = (_BLUE, _RED, _GREEN, _PURPLE, "#E69F00", "#56B4E9", "#000000")
_GRID, _TEXT = "#E4E4E4", "#555555"

_COLUMNS = 2
_WIDTH_INCHES, _PANEL_INCHES, _DOTS_PER_INCH = 12, 2.8, 100
# More points than this are drawn pale, with their running mean in front.
_MANY_POINTS = 200
# Up to this many points each is marked.
_FEW_POINTS = 40
# The running mean is over one part of so many.
_PARTS = 50
_LOGARITHMIC_SPAN = 10
# Letters that fit above a panel, and the width in letters of a legend's short line.
_PANEL_LETTERS, _HANDLE_LETTERS = 72, 8

# title, {name in metrics.jsonl: (label, colour)}
_TRAINING = (
    ("Losses", {"g_loss": ("generator", _BLUE), "d_loss": ("discriminator", _RED)}),
    (
        "Mean logits of the discriminator",
        {"real_logits": ("real", _GREEN), "fake_logits": ("generated", _PURPLE)},
    ),
    ("Accuracy of the discriminator", {"d_accuracy": ("", _RED)}),
)
_NETWORKS = {"g": "generator", "d": "discriminator"}
# title, {name in an evaluation: label}, where the best value is
_EVALUATION = (
    ("FID", {"fid": ""}, np.nanargmin),
    ("IS", {"inception_score": ""}, np.nanargmax),
    ("KID", {"kid": ""}, np.nanargmin),
    ("Intra-FID", {"intra_fid": ""}, np.nanargmin),
    ("Precision and recall", {"precision": "precision", "recall": "recall"}, None),
    ("Density and coverage", {"density": "density", "coverage": "coverage"}, None),
    ("Class accuracy", {"class_accuracy": ""}, np.nanargmax),
)
_DISTANCES = ("FID", "KID", "Intra-FID")
# The network whose figures go by the plain name.
_INCEPTION = "Inception"


@dataclasses.dataclass
class _Line:
    """Steps `(N,)`, values `(N,)` with NaN for none, and how they look.

    `spread` `(N,)`: half the width of a band around the values, or `None`.
    """

    steps: np.ndarray
    values: np.ndarray
    label: str
    colour: str
    spread: np.ndarray | None = None


@dataclasses.dataclass
class _Panel:
    title: str
    lines: list
    # Whether a wide range gets a logarithmic axis.
    may_be_logarithmic: bool = False


def write_metrics_plot(path, metrics, evaluations=(), title=""):
    """Draws the figures of a run over its steps, 1200 pixels wide.

    Losses, mean logits and accuracy of the discriminator, and gammas, as far as there
    are any; then a panel for each measure and feature network of the evaluations, with
    a line for each protocol and its best value in the legend. FIDs that span more than
    a factor of ten get a logarithmic axis. Values that are missing or not finite leave
    gaps. Of more than 200 points, the running mean stands in front.

    Args:
        path: of the PNG; the folder exists already. Written whole or not at all.
        metrics: list of dicts, the lines of metrics.jsonl: `step`, and figures by name.
        evaluations: list of dicts, the lines of evaluations.jsonl: `step` (`None` for
            what is no checkpoint, and left out), `protocol` and `network`, dicts with a
            `name`, and `metrics`, a dict of figures by name. Of two with the same step,
            protocol and network the last one counts.
        title: str, stands above all panels.

    Raises:
        OSError: it cannot be written.
    """
    panels = [*_training_panels(metrics), *_evaluation_panels(evaluations)]
    _write_panels(path, panels, title)


def write_curves(path, panels, title="", logarithmic=_DISTANCES):
    """Draws curves of several runs, panel beside panel, 1200 pixels wide.

    Args:
        path: see `write_metrics_plot`.
        panels: dict of the panel's title to dict of the curve's label to (steps,
            values) or (steps, values, spreads), sequences of the same length. Values
            may be missing (`None`); spreads are half the width of a band around them.
        title: str, stands above all panels.
        logarithmic: titles of the panels that get a logarithmic axis where values span
            more than a factor of ten.

    Raises:
        OSError: it cannot be written.
    """
    found = []
    for name, curves in panels.items():
        lines = []
        for label, (steps, values, *spreads) in curves.items():
            numbers = np.array([_number(value) for value in values])
            spread = np.array(spreads[0], float) if spreads else None
            if np.isfinite(numbers).any():
                colour = _COLOURS[len(lines) % len(_COLOURS)]
                lines.append(_Line(np.array(steps), numbers, label, colour, spread))
        if lines:
            found.append(_Panel(name, lines, name in logarithmic))
    _write_panels(path, found, title)


def _write_panels(path, panels, title):
    from matplotlib.figure import Figure

    rows = max(1, math.ceil(len(panels) / _COLUMNS))
    figure = Figure(
        figsize=(_WIDTH_INCHES, 0.5 + rows * _PANEL_INCHES),
        dpi=_DOTS_PER_INCH,
        layout="constrained",
    )
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    figure.suptitle(title if panels else f"{title} (nothing to draw yet)", fontsize=14)
    steps = [line.steps[end] for p in panels for line in p.lines for end in (0, -1)]
    for index, panel in enumerate(panels, 1):
        axes = figure.add_subplot(rows, _COLUMNS, index)
        _draw(axes, panel, (min(steps), max(steps)))
        if index > len(panels) - _COLUMNS:
            axes.set_xlabel("step", fontsize=9, color=_TEXT)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def _training_panels(metrics):
    for title, names in (*_TRAINING, ("Gammas of attention", _gammas(metrics))):
        lines = [
            line
            for name, (label, colour) in names.items()
            if (line := _line(metrics, metrics, name, label, colour))
        ]
        if lines:
            yield _Panel(title, lines)


def _gammas(metrics):
    """`{"gamma_g_attention_32x32": ("generator, 32x32", colour)}`."""
    found = {name for r in metrics for name in r if name.startswith("gamma_")}
    styles = {}
    # The generator's first, as above.
    for index, name in enumerate(sorted(found, reverse=True)):
        _, network, layer = name.split("_", 2)
        label = f"{_NETWORKS[network]}, {layer.removeprefix('attention_')}"
        styles[name] = (label, _COLOURS[index % len(_COLOURS)])
    return styles


def _evaluation_panels(evaluations):
    records = [record for record in evaluations if record["step"] is not None]
    for network in dict.fromkeys(record["network"]["name"] for record in records):
        ours = [record for record in records if record["network"]["name"] == network]
        for title, names, best in _EVALUATION:
            lines = _evaluation_lines(ours, names, best)
            is_distance = title in _DISTANCES
            if network != _INCEPTION:
                title = f"{title} in the feature space of {network}"
            if lines:
                yield _Panel(title, lines, is_distance)


def _evaluation_lines(records, names, best):
    """A line for each protocol and name."""
    lines = []
    for protocol in dict.fromkeys(record["protocol"]["name"] for record in records):
        ours = [record for record in records if record["protocol"]["name"] == protocol]
        figures = [record["metrics"] for record in ours]
        for name, label in names.items():
            label = f"{label}, {protocol}" if label else protocol
            colour = _COLOURS[len(lines) % len(_COLOURS)]
            line = _line(ours, figures, name, label, colour)
            if line is None:
                continue
            if best is not None:
                at = best(line.values)
                line.label += f", best {line.values[at]:.4g} at {line.steps[at]:,}"
            lines.append(line)
    return lines


def _line(records, figures, name, label, colour):
    """The values of one name at the steps of the records; `None` if it has none."""
    values = {r["step"]: _number(f.get(name)) for r, f in zip(records, figures)}
    steps = np.array(sorted(values))
    values = np.array([values[step] for step in steps])
    if not np.isfinite(values).any():
        return None
    return _Line(steps, values, label, colour)


def _number(value):
    is_number = isinstance(value, (int, float)) and math.isfinite(value)
    return float(value) if is_number else math.nan


def _draw(axes, panel, span):
    for line in panel.lines:
        _draw_line(axes, line)
    axes.set_title(panel.title, loc="left", fontsize=11, pad=8)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#AAAAAA")
    axes.tick_params(labelsize=9, labelcolor=_TEXT, length=0)
    values = np.concatenate([line.values for line in panel.lines])
    low, high = np.nanmin(values), np.nanmax(values)
    if panel.may_be_logarithmic and 0 < low * _LOGARITHMIC_SPAN < high:
        _make_logarithmic(axes)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.6g}")
    margin = 0.02 * (span[1] - span[0]) or 1
    axes.set_xlim(span[0] - margin, span[1] + margin)
    axes.xaxis.get_major_locator().set_params(integer=True, nbins=6)
    axes.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
    _add_legend(axes, panel)


def _add_legend(axes, panel):
    labels = [line.label for line in panel.lines if line.label]
    if not labels:
        return
    length = len(panel.title) + sum(len(label) + _HANDLE_LETTERS for label in labels)
    if length < _PANEL_LETTERS:
        # Beside the title, where it hides nothing.
        place = {"loc": "lower right", "bbox_to_anchor": (1, 0.99), "frameon": False}
        legend = axes.legend(ncols=len(labels), fontsize=9, **place)
    else:
        legend = axes.legend(loc="best", fontsize=9, edgecolor="none")
    legend.set_in_layout(False)


def _draw_line(axes, line):
    steps, values, count = line.steps, line.values, np.isfinite(line.values).sum()
    if line.spread is not None and line.spread.any():
        low, high = values - line.spread, values + line.spread
        axes.fill_between(steps, low, high, color=line.colour, alpha=0.18, linewidth=0)
    if count > _MANY_POINTS:
        axes.plot(steps, values, color=line.colour, linewidth=0.7, alpha=0.3)
        values = _running_mean(values)
    axes.plot(steps, values, color=line.colour, linewidth=1.5, label=line.label)
    # A point between two gaps has no line.
    marked = np.isfinite(values) if count <= _FEW_POINTS else _is_alone(values)
    axes.plot(steps[marked], values[marked], "o", color=line.colour, markersize=3.5)


def _make_logarithmic(axes):
    from matplotlib import ticker

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(ticker.NullLocator())


def _running_mean(values):
    """Means over a window around each value; NaN stays NaN and counts for nothing."""
    window = np.ones(math.ceil(len(values) / _PARTS))
    is_there = np.isfinite(values)
    sums = np.convolve(np.where(is_there, values, 0), window, "same")
    counts = np.convolve(is_there, window, "same")
    return np.where(is_there, sums / np.maximum(counts, 1), np.nan)


def _is_alone(values):
    is_there = np.concatenate([[False], np.isfinite(values), [False]])
    return is_there[1:-1] & ~is_there[:-2] & ~is_there[2:]
