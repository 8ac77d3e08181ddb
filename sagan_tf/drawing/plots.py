"""metrics.png: the values of a run over its steps.

Matplotlib is imported when a figure is drawn, so that commands start quickly. Only its
objects are used: no window opens, and the settings of a notebook do not change.
"""

import itertools
import math

import numpy as np

from sagan_tf.drawing.colours import BLUE, GREEN, LINES, PURPLE, RED
from sagan_tf.files import replacing

_GRID, _TEXT = "#E4E4E4", "#555555"

_COLUMNS = 2
_WIDTH_INCHES, _PANEL_INCHES, _NUMBER_INCHES, _DOTS_PER_INCH = 12, 2.8, 1.2, 100
# Curves with more points are drawn pale, with their running mean in front.
_MANY_POINTS = 200
# Curves with up to this many points have a marker at each point.
_FEW_POINTS = 40
# The running mean is taken over the number of points divided by this.
_PARTS = 50
_LOGARITHMIC_SPAN = 10
# Letters that fit above a panel, and the width in letters of a legend's short line.
_PANEL_LETTERS, _HANDLE_LETTERS = 72, 8

# title, {name in metrics.jsonl: (label, colour)}
_TRAINING = (
    ("Losses", {"g_loss": ("generator", BLUE), "d_loss": ("discriminator", RED)}),
    (
        "Mean logits of the discriminator",
        {"real_logits": ("real", GREEN), "fake_logits": ("generated", PURPLE)},
    ),
    ("Accuracy of the discriminator", {"d_accuracy": ("", RED)}),
)
_NETWORKS = {"g": "generator", "d": "discriminator"}
_GAMMAS = ("gamma_g_", "gamma_d_")
# title, {name in an evaluation: label}, function that finds the best value
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
# The feature network whose metrics have plain titles.
_INCEPTION = "Inception"


class _Line:
    """Values over steps. Values that are not finite leave gaps.

    `spread`: half the width of the band around each value, or `None`.
    """

    def __init__(self, label, steps, values, spread=None, colour=None):
        self.label, self.colour = label, colour
        self.steps, self.values = np.array(steps), np.array(values, float)
        self.values[np.isinf(self.values)] = math.nan
        self.spread = None if spread is None else np.array(spread, float)
        self.count = np.isfinite(self.values).sum()


def write_metrics_plot(path, metrics, evaluations=(), title=""):
    """Draws the values of a run over its steps, 1200 pixels wide.

    The losses, the mean logits, the discriminator's accuracy and the gammas have a
    panel each, if they were logged. So does each metric and feature network of the
    evaluations, with a line for each protocol and its best value in the legend. FIDs
    that span more than a factor of ten get a logarithmic axis. Values that are missing
    or not finite leave gaps. More than 200 points get a running mean. A panel with
    single values shows them as text.

    Args:
        path: path of the PNG, written whole or not at all; its folder must exist.
        metrics: list of dicts, the lines of metrics.jsonl: `step`, and values by name.
        evaluations: list of dicts, the lines of evaluations.jsonl: `step` (lines with
            `None` are left out), `protocol` and `network`, dicts with a `name`, and
            `metrics`, a dict of values by name. Of two lines with the same step,
            protocol and network, the last one is drawn.
        title: str, above all panels.

    Raises:
        OSError: the file cannot be written.
    """
    panels = {**_training_panels(metrics), **_evaluation_panels(evaluations)}
    distances = [name for name in panels if name.partition(" in ")[0] in _DISTANCES]
    _write_panels(path, panels, title, distances)


def write_curves(path, panels, title="", logarithmic=_DISTANCES):
    """Draws curves of several runs in panels side by side, 1200 pixels wide.

    Args:
        path: see `write_metrics_plot`.
        panels: dict of the panel's title to dict of the curve's label to (steps,
            values) or (steps, values, spreads), sequences of the same length. Values
            may be missing (`None`); spreads are half the width of a band around them.
        title: str, above all panels.
        logarithmic: titles of the panels that get a logarithmic axis if values span
            more than a factor of ten.

    Raises:
        OSError: the file cannot be written.
    """
    drawn = {
        name: [_Line(label, *curve) for label, curve in curves.items()]
        for name, curves in panels.items()
    }
    _write_panels(path, drawn, title, logarithmic)


def _write_panels(path, panels, title, logarithmic):
    from matplotlib.figure import Figure

    drawn = {n: [line for line in panels[n] if line.count] for n in panels}
    panels = {name: lines for name, lines in drawn.items() if lines}
    numbers = [all(line.count == 1 for line in lines) for lines in panels.values()]
    rows = [numbers[i : i + _COLUMNS] for i in range(0, len(numbers), _COLUMNS)]
    heights = [_NUMBER_INCHES if all(row) else _PANEL_INCHES for row in rows or [[]]]
    figure = Figure(
        figsize=(_WIDTH_INCHES, 0.5 + sum(heights)),
        dpi=_DOTS_PER_INCH,
        layout="constrained",
    )
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    title = title if panels else f"{title} (nothing to draw yet)"
    # A dollar sign in the name of a run or a network does not start a formula.
    figure.suptitle(title, fontsize=14, parse_math=False)
    steps = [step for lines in panels.values() for line in lines for step in line.steps]
    cells = list(figure.add_gridspec(len(heights), _COLUMNS, height_ratios=heights))
    for index, (name, lines) in enumerate(panels.items()):
        for line, colour in zip(lines, itertools.cycle(LINES)):
            line.colour = line.colour or colour
        axes = figure.add_subplot(cells[index])
        axes.set_title(name, loc="left", fontsize=11, pad=8, parse_math=False)
        if numbers[index]:
            _write_values(axes, lines)
            continue
        _draw(axes, name, lines, (min(steps), max(steps)), name in logarithmic)
        if index >= len(panels) - _COLUMNS:
            axes.set_xlabel("step", fontsize=9, color=_TEXT)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


def _training_panels(metrics):
    """Returns a dict of title to lines."""
    gamma_names = {name for r in metrics for name in r if name.startswith(_GAMMAS)}
    gammas = {}
    # The generator's gammas come first.
    for name, colour in zip(sorted(gamma_names, reverse=True), itertools.cycle(LINES)):
        _, network, layer = name.split("_", 2)
        label = f"{_NETWORKS[network]}, {layer.removeprefix('attention_')}"
        gammas[name] = (label, colour)
    by_step = {record["step"]: record for record in metrics}
    return {
        title: [_line(by_step, name, *style) for name, style in names.items()]
        for title, names in (*_TRAINING, ("Gammas of attention", gammas))
    }


def _evaluation_panels(evaluations):
    """Returns a dict of title to lines, one for each protocol and name."""
    panels, networks = {}, {}
    for record in evaluations:
        if record["step"] is not None:
            network, protocol = record["network"]["name"], record["protocol"]["name"]
            by_step = networks.setdefault(network, {}).setdefault(protocol, {})
            by_step[record["step"]] = record["metrics"]
    for network, protocols in networks.items():
        space = "" if network == _INCEPTION else f" in the feature space of {network}"
        for title, names, best in _EVALUATION:
            lines = panels[title + space] = []
            for protocol, by_step in protocols.items():
                for name, label in names.items():
                    label = f"{label}, {protocol}" if label else protocol
                    lines.append(_line(by_step, name, label, best=best))
    return panels


def _line(by_step, name, label, colour=None, best=None):
    """Returns one name's line; `by_step`: dict of step to dict of values by name."""
    steps = sorted(by_step)
    line = _Line(label, steps, [by_step[s].get(name) for s in steps], colour=colour)
    if best is not None and line.count > 1:
        at = best(line.values)
        line.label += f", best {line.values[at]:.4g} at {line.steps[at]:,}"
    return line


def _write_values(axes, lines):
    """Writes values that have no curve yet, one below the other."""
    axes.set_axis_off()
    for line, top in zip(lines, np.linspace(0.6, -0.1, len(lines), endpoint=False)):
        at = np.flatnonzero(np.isfinite(line.values))[0]
        where = f"{line.label}, step" if line.label else "step"
        axes.text(0, top, f"{line.values[at]:,.4g}", fontsize=20, color=line.colour)
        style = {"fontsize": 9, "color": _TEXT, "parse_math": False}
        axes.text(0.22, top, f"{where} {line.steps[at]:,}", **style)


def _draw(axes, title, lines, span, may_be_logarithmic):
    for line in lines:
        _draw_line(axes, line)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#AAAAAA")
    axes.tick_params(labelsize=9, labelcolor=_TEXT, length=0)
    values = np.concatenate([line.values for line in lines])
    low, high = np.nanmin(values), np.nanmax(values)
    if may_be_logarithmic and 0 < low * _LOGARITHMIC_SPAN < high:
        from matplotlib import ticker

        axes.set_yscale("log")
        axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(ticker.NullLocator())
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.6g}")
    margin = 0.02 * (span[1] - span[0]) or 1
    axes.set_xlim(span[0] - margin, span[1] + margin)
    axes.xaxis.get_major_locator().set_params(integer=True, nbins=6)
    axes.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
    _add_legend(axes, title, lines)


def _add_legend(axes, title, lines):
    labels = [line.label for line in lines if line.label]
    if not labels:
        return
    length = len(title) + sum(len(label) + _HANDLE_LETTERS for label in labels)
    if length < _PANEL_LETTERS:
        # Beside the title, where it hides nothing.
        place = {"loc": "lower right", "bbox_to_anchor": (1, 0.99), "frameon": False}
        legend = axes.legend(ncols=len(labels), fontsize=9, **place)
    else:
        legend = axes.legend(loc="best", fontsize=9, edgecolor="none")
    legend.set_in_layout(False)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _draw_line(axes, line):
    steps, values, count = line.steps, line.values, line.count
    if line.spread is not None and line.spread.any():
        low, high = values - line.spread, values + line.spread
        axes.fill_between(steps, low, high, color=line.colour, alpha=0.18, linewidth=0)
    if count > _MANY_POINTS:
        axes.plot(steps, values, color=line.colour, linewidth=0.7, alpha=0.3)
        values = _running_mean(values)
    axes.plot(steps, values, color=line.colour, linewidth=1.5, label=line.label)
    marked = np.isfinite(values)
    if count > _FEW_POINTS:  # A point between two gaps has no line.
        marked &= np.convolve(marked, np.ones(3), "same") == 1
    axes.plot(steps[marked], values[marked], "o", color=line.colour, markersize=3.5)


def _running_mean(values):
    """Returns means over a window around each value. NaN stays NaN and is skipped."""
    window = np.ones(math.ceil(len(values) / _PARTS))
    is_there = np.isfinite(values)
    sums = np.convolve(np.where(is_there, values, 0), window, "same")
    counts = np.convolve(is_there, window, "same")
    return np.where(is_there, sums / np.maximum(counts, 1), np.nan)
