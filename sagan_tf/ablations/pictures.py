"""The pictures of an ablation's report: curves over the steps, and sample grids."""

import collections
import statistics

import numpy as np
from PIL import Image

from sagan_tf.drawing.captions import headed
from sagan_tf.drawing.plots import write_curves
from sagan_tf.files import replacing

# Grids in a row, and the largest width and height of one grid.
_COLUMNS, _WIDEST, _HIGHEST = 4, 640, 1600
_GAP, _LETTERS = 16, 18


def write_means(path, variants, title):
    """Draws FID and IS over the steps: means over the seeds, deviations as bands.

    Args:
        path: of the PNG.
        variants: dict of label to list of `Run`.
        title: str.

    Returns:
        bool, whether there was anything to draw; without values nothing is written.

    Raises:
        OSError: it cannot be written.
    """
    panels = {}
    for panel, metric in (("FID", "fid"), ("IS", "inception_score")):
        curves = {label: _curve(runs, metric) for label, runs in variants.items()}
        curves = {label: curve for label, curve in curves.items() if curve[0]}
        if curves:
            panels[panel] = curves
    if panels:
        write_curves(path, panels, title)
    return bool(panels)


def _curve(runs, metric):
    """Steps, means and standard deviations (0 for a single run)."""
    by_step = collections.defaultdict(list)
    for run in runs:
        for step, metrics in run.evaluations.items():
            if metrics.get(metric) is not None:
                by_step[step].append(metrics[metric])
    steps = sorted(by_step)
    means = [statistics.fmean(by_step[step]) for step in steps]
    return steps, means, [deviation(by_step[step]) for step in steps]


def deviation(values):
    """The standard deviation of a sample (n - 1), 0 for a single value: float."""
    return statistics.stdev(values) if len(values) > 1 else 0.0


def write_grids(path, grids):
    """Puts sample grids side by side, each under its name.

    Args:
        path: of the PNG.
        grids: dict of name to path of an image; not empty.

    Raises:
        OSError: it cannot be written, or an image cannot be read.
    """
    tiles = [_tile(name, grid) for name, grid in grids.items()]
    height = max(tile.shape[0] for tile in tiles) + _GAP
    width = max(tile.shape[1] for tile in tiles) + _GAP
    columns = min(_COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * height - _GAP, columns * width - _GAP, 3), 255, np.uint8)
    for index, tile in enumerate(tiles):
        top, left = index // columns * height, index % columns * width
        sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    with replacing(path) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")


def _tile(name, path):
    with Image.open(path) as grid:
        grid = grid.convert("RGB")
        grid.thumbnail((_WIDEST, _HIGHEST))  # It only makes images smaller.
        return headed(np.asarray(grid), name, _LETTERS)
