"""The palette of all figures."""

import itertools

from PIL import ImageColor

from sagan_tf.drawing import colours


def test_lines_of_a_plot_differ_from_one_another_and_from_white():
    named = [ImageColor.getrgb(colour) for colour in (*colours.LINES, "#FFFFFF")]
    for one, other in itertools.combinations(named, 2):
        assert sum(abs(a - b) for a, b in zip(one, other)) > 80
