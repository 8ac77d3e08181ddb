"""attention.png: images with query points, and what each point looks at.

The figure is like figures 1 and 5 of the paper. The functions import Matplotlib when
they draw, and use only its objects: no window opens, no notebook state changes.
"""

import itertools

import numpy as np
from PIL import Image

from sagan_tf.attention_maps.overlay import QUERY_COLOURS, blended, ink_on, overlay
from sagan_tf.attention_maps.view import NO_EFFECT
from sagan_tf.errors import BadInput
from sagan_tf.files import replacing

_TEXT, _GRID = "#333333", "#E4E4E4"
# Colors of the curves that are strong on white.
_LINE_COLOURS = tuple(QUERY_COLOURS[i] for i in (4, 6, 2, 5, 0, 1, 3))

_DOTS_PER_INCH = 110
# Inches.
_PANEL, _GAP, _MARGIN = 1.5, 0.12, 0.2
_HEADING, _ABOVE, _BELOW, _BETWEEN = 0.4, 0.2, 0.3, 0.12
_CURVES_HEIGHT, _LEAST_WIDTH = 2.3, 7.2
_TITLE = 0.62
_CAPTION = (
    "What each ringed location looks at: brighter is more, on the scale below. The "
    "white line is the share in a uniform map."
)
# Side of a drawn panel in pixels: enough for its inches on paper, too.
_PANEL_PIXELS = 256
# The history's panels: field of a record, title.
_PANELS = {
    "gamma": "gamma",
    "entropy_share": "entropy, share of uniform",
    "distance_pixels": "mean attention distance, px",
}

# Matplotlib writes no image of 2^16 pixels or more.
MOST_ROWS = 150


def draw_attention(views, title="", history=(), gammas=None):
    """Draws a row for each view: the image with its queries, then a map for each.

    A query is a ring with its own color and number. Its map is drawn over the darkened
    image, interpolated between the centers of the keys; brighter is more. The scale
    under each map goes from 0 to its largest share.

    Args:
        views: list of `View`, at most `MOST_ROWS`.
        title: str, at the top.
        history: list of dicts, see `explorer.history`, for curves at the bottom.
        gammas: see `explorer.training_gammas`, for a pale line behind the history.

    Returns:
        `matplotlib.figure.Figure`.

    Raises:
        BadInput: there are no views, or too many.
    """
    from matplotlib.figure import Figure

    check_rows(len(views))
    columns = 1 + max(len(view.queries) for view in views)
    row = _HEADING + _ABOVE + _PANEL + _BELOW + _BETWEEN
    width = max(_LEAST_WIDTH, 2 * _MARGIN + columns * (_PANEL + _GAP) - _GAP)
    height = _TITLE + row * len(views) + (_CURVES_HEIGHT if history else 0) + 0.05
    figure = Figure(figsize=(width, height), dpi=_DOTS_PER_INCH, facecolor="white")
    page = _Page(figure, width, height)
    page.write(_MARGIN, 0.3, title, size=13)
    page.write(_MARGIN, 0.48, _CAPTION, size=7.5)
    for index, view in enumerate(views):
        _draw_row(page, view, _TITLE + index * row)
    if history:
        _draw_history(page, history, gammas or {}, _TITLE + len(views) * row)
    return figure


def check_rows(count):
    """Raises `BadInput` if a figure cannot have `count` rows."""
    if not 1 <= count <= MOST_ROWS:
        raise BadInput(
            f"A figure has 1 to {MOST_ROWS} rows, one for each image and attention "
            f"layer. Received: {count}. Try fewer --seeds or --labels."
        )


def write_attention(path, views, title="", history=(), gammas=None):
    """Writes the figure of `draw_attention` as a PNG: the whole file, or nothing.

    Args:
        path: path of the PNG in an existing folder.

    Args, Raises: see `draw_attention`; `OSError`: the file cannot be written.
    """
    figure = draw_attention(views, title, history, gammas)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")


class _Page:
    """A figure with positions in inches from its upper left corner."""

    def __init__(self, figure, width, height):
        self.figure, self.width, self.height = figure, width, height

    def axes(self, left, top, width, height):
        x, wide = left / self.width, width / self.width
        y, high = (self.height - top - height) / self.height, height / self.height
        return self.figure.add_axes((x, y, wide, high))

    def write(self, left, top, text, size=8, colour=_TEXT, weight="normal", lines=1.2):
        x, y = left / self.width, 1 - top / self.height
        style = {"fontsize": size, "color": colour, "weight": weight}
        # A dollar sign in the name of a run or a class starts no formula.
        style |= {"parse_math": False, "linespacing": lines, "va": "baseline"}
        self.figure.text(x, y, text, **style)


def _draw_row(page, view, top):
    layer = view.layer.removeprefix("attention_").replace("x", "\u00d7")
    heading = (
        f"{view.title + ', ' if view.title else ''}{view.network}, attention {layer}"
    )
    page.write(_MARGIN, top + 0.14, heading, size=9.5, weight="bold")
    means = view.means
    text = (
        f"gamma {view.gamma:.3g}   entropy {means['entropy_bits']:.2f} of "
        f"{means['max_entropy_bits']:.2f} bits ({means['entropy_share']:.0%})   "
        f"mean attention distance {means['distance_pixels']:.1f} px "
        f"(uniform: {means['uniform_distance_pixels']:.1f})"
    )
    page.write(_MARGIN, top + 0.3, text if view.has_effect else "gamma 0")
    top += _HEADING + _ABOVE
    image = page.axes(_MARGIN, top, _PANEL, _PANEL)
    pixels = Image.fromarray(view.pixels.repeat(3 // view.pixels.shape[2], axis=2))
    _show(image, pixels.resize([_PANEL_PIXELS] * 2, Image.Resampling.NEAREST), view)
    left = _MARGIN + _PANEL + _GAP
    if not view.has_effect:
        words = NO_EFFECT.replace(". It", ".\nIt").replace("; its", ";\nits")
        page.write(left, top + 1.0, words, size=9, lines=1.6)
        return
    for index, query in enumerate(view.queries):
        _draw_ring(image, query, index, is_numbered=True)
        _draw_map(page, view, index, query, left + index * (_PANEL + _GAP), top)


def _draw_map(page, view, index, query, left, top):
    colour = QUERY_COLOURS[index]
    bits, distance = f"{query.entropy_bits:.1f} bits", f"{query.distance_pixels:.0f} px"
    page.write(left, top - 0.07, "\u25cf", size=10, colour=colour)
    page.write(left + 0.13, top - 0.06, f"{index + 1}   {bits}, {distance}")
    axes = page.axes(left, top, _PANEL, _PANEL)
    _show(axes, overlay(view.pixels, query.scores, _PANEL_PIXELS), view)
    _draw_ring(axes, query, index, is_numbered=False)
    axes.spines[:].set(visible=True, color=colour, linewidth=2.5)
    bar = page.axes(left, top + _PANEL + 0.07, _PANEL, 0.07)
    steps = np.tile(np.linspace(0, 1, 256), (2, 1))
    largest = 100 * float(query.scores.max())
    bar.imshow(blended(steps), aspect="auto", extent=(0, largest, 0, 1))
    bar.axvline(100 / query.scores.size, color="white", linewidth=1.2)
    bar.set(yticks=[], xticks=[0, largest / 2, largest])
    # Two significant digits, without an exponent.
    half, most = (
        f"{value:.0f}" if value >= 9.95 else f"{value:.2g}"
        for value in (largest / 2, largest)
    )
    labels = bar.set_xticklabels(["0", half, f"{most} %"])
    for label, place in zip(labels, ("left", "center", "right")):
        label.set(fontsize=7, color=_TEXT, horizontalalignment=place)
    bar.tick_params(length=0, pad=2)
    bar.spines[:].set_visible(False)


def _show(axes, pixels, view):
    height, width = view.grid[:2]
    # Units are cells of the query grid: the center of cell 0 is at 0.5.
    axes.imshow(pixels, extent=(0, width, height, 0), interpolation="antialiased")
    axes.set(xticks=[], yticks=[], xlim=(0, width), ylim=(height, 0))
    axes.spines[:].set_visible(False)


def _draw_ring(axes, query, index, is_numbered):
    """Draws a dot with a white and a black ring, visible on every image."""
    y, x = (place + 0.5 for place in query.cell)
    colour, size = QUERY_COLOURS[index], 11 if is_numbered else 7
    style = {"markeredgewidth": 0, "clip_on": False, "zorder": 3}
    for more, paint in ((3.6, "black"), (2.2, "white"), (0, colour)):
        axes.plot(x, y, "o", color=paint, markersize=size + more, **style)
    if is_numbered:
        style = {"ha": "center", "va": "center_baseline", "fontsize": 7, "zorder": 4}
        axes.text(x, y, str(index + 1), weight="bold", color=ink_on(colour), **style)


def _draw_history(page, history, gammas, top):
    """Draws three panels over steps: gamma, entropy, distance; one line per layer."""
    curves = {}
    for record in history:
        for each in record["layers"]:
            name = each["network"], each["layer"]
            curves.setdefault(name, []).append((record["step"], each))
    colours = dict(zip(curves, itertools.cycle(_LINE_COLOURS)))
    width = (page.width - 2 * _MARGIN - 0.4 - 2 * 0.55) / 3
    steps = [record["step"] for record in history]
    steps += [step for points in gammas.values() for step, _ in points]
    margin = 0.03 * (max(steps) - min(steps)) or 1
    for index, (field, title) in enumerate(_PANELS.items()):
        left = _MARGIN + 0.4 + index * (width + 0.55)
        axes = page.axes(left, top + 0.45, width, _CURVES_HEIGHT - 0.95)
        _style(axes, title)
        for name, points in gammas.items() if field == "gamma" else ():
            colour = colours.get(name, _TEXT)
            axes.plot(*zip(*points), color=colour, alpha=0.35, linewidth=1)
        lines = []
        for name, looks in curves.items():
            # A layer without effect has only a gamma.
            shown = [(s, e) for s, e in looks if e["has_effect"] or field == "gamma"]
            points = [s for s, _ in shown], [e[field] for _, e in shown]
            style = {"color": colours[name], "markersize": 3, "linewidth": 1.3}
            lines += axes.plot(*points, "o-", **style)
        axes.set_xlim(min(steps) - margin, max(steps) + margin)
    place = _MARGIN / page.width, 1 - top / page.height
    names = [f"{net}, {layer.removeprefix('attention_')}" for net, layer in curves]
    style = {"loc": "upper left", "fontsize": 8, "frameon": False, "borderpad": 0}
    page.figure.legend(lines, names, bbox_to_anchor=place, ncols=len(names), **style)


def _style(axes, title):
    axes.set_title(title, loc="left", fontsize=9, color=_TEXT)
    axes.set_xlabel("step", fontsize=8, color=_TEXT)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7.5, labelcolor=_TEXT, length=0)
    axes.xaxis.get_major_locator().set_params(integer=True, nbins=4)
    axes.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}")
