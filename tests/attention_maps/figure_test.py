"""attention.png: rows, texts, colours and curves; looks are for eyes."""

import subprocess
import sys

import matplotlib.colors
import numpy as np
import pytest
from PIL import Image

from sagan_tf.attention_maps.figure import MOST_ROWS, draw_attention, write_attention
from sagan_tf.attention_maps.overlay import QUERY_COLOURS, overlay
from sagan_tf.attention_maps.view import make_view
from sagan_tf.networks.attention_scores import AttentionMap

CELLS = [(1, 6), (3, 0), (0, 2)]


def scores(seed=0, grid=(4, 8, 2, 4)):
    random = np.random.default_rng(seed).random(grid).astype("float32") ** 4
    return random / random.sum((2, 3), keepdims=True)


def view(seed=0, gamma=0.5, cells=CELLS, channels=3, title="seed 3"):
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (32, 32, channels), "uint8")
    attention_map = AttentionMap("generator", "attention_4x8", gamma, scores(seed))
    return make_view(pixels, attention_map, cells, title)


def texts(figure):
    return [text.get_text() for text in figure.texts]


def drawn_images(figure):
    """The drawn arrays, colour bars left out."""
    images = [image for axes in figure.axes for image in axes.images]
    return [im.get_array() for im in images if im.get_array().shape[0] > 2]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_row_is_the_image_and_then_a_map_for_each_query(channels):
    pixels = view(channels=channels).pixels
    found = drawn_images(draw_attention([view(channels=channels)]))
    assert len(found) == 4
    # Each pixel is a square of colour.
    expected = np.broadcast_to(pixels, (32, 32, 3)).repeat(8, axis=0).repeat(8, axis=1)
    np.testing.assert_array_equal(found[0], expected)
    for index, (row, column) in enumerate(CELLS):
        expected = overlay(pixels, scores()[row, column], 256)
        np.testing.assert_array_equal(found[index + 1], expected)


def rings(axes):
    """Places and colours of the dots on the picture, without their rings."""
    return [
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]), line.get_color())
        for line in axes.lines
        if line.get_color() not in ("black", "white")
    ]


def test_each_query_is_a_ring_of_its_own_colour_in_the_middle_of_its_cell():
    figure = draw_attention([view()])
    picture = next(axes for axes in figure.axes if axes.images)
    assert rings(picture) == [
        (column + 0.5, row + 0.5, QUERY_COLOURS[i])
        for i, (row, column) in enumerate(CELLS)
    ]
    assert [text.get_text() for text in picture.texts] == ["1", "2", "3"]
    under = [line.get_color() for line in picture.lines]
    assert under.count("black") == under.count("white") == len(CELLS)


def test_the_frame_of_a_map_has_the_colour_of_its_query():
    figure = draw_attention([view()])
    maps = [axes for axes in figure.axes if axes.spines["left"].get_visible()]
    colours = [matplotlib.colors.to_hex(a.spines["left"].get_edgecolor()) for a in maps]
    assert colours == [colour.lower() for colour in QUERY_COLOURS[:3]]


def test_the_colour_bar_goes_to_the_largest_share_of_its_map():
    figure = draw_attention([view(cells=CELLS[:1])])
    (bar,) = (
        a for a in figure.axes if a.images and a.images[0].get_array().shape[0] == 2
    )
    largest = 100 * scores()[1, 6].max()
    assert bar.get_xticks() == pytest.approx([0, largest / 2, largest])
    labels = [label.get_text() for label in bar.get_xticklabels()]
    assert labels == ["0", f"{largest / 2:.0f}", f"{largest:.0f} %"]
    assert bar.lines[0].get_xdata()[0] == pytest.approx(100 / 8)


def test_the_numbers_stand_beside_the_image():
    words = "\n".join(texts(draw_attention([view()], "my run")))
    means, first = view().means, view().queries[0]
    assert "my run" in words
    assert "seed 3, generator, attention 4\u00d78" in words
    assert f"gamma 0.5   entropy {means['entropy_bits']:.2f} of 3.00 bits" in words
    assert f"distance {means['distance_pixels']:.1f} px" in words
    far = first.distance_cells * 8
    assert f"1   {first.entropy_bits:.1f} bits, {far:.0f} px" in words


def test_a_layer_without_effect_says_so_in_place_of_maps():
    figure = draw_attention([view(gamma=0.0)])
    assert len(drawn_images(figure)) == 1
    words = "\n".join(texts(figure))
    assert "gamma = 0: this layer passes its input on unchanged" in words
    assert "entropy" not in words
    assert not rings(figure.axes[0])


def test_rows_have_their_own_height():
    one, two = (draw_attention([view()] * count) for count in (1, 2))
    widths = [figure.get_size_inches()[0] for figure in (one, two)]
    heights = [figure.get_size_inches()[1] for figure in (one, two)]
    assert widths[0] == widths[1]
    assert heights[1] - heights[0] > 1.5


@pytest.mark.parametrize("count", [0, MOST_ROWS + 1])
def test_too_many_rows_are_refused(count):
    with pytest.raises(ValueError, match=f"1 to {MOST_ROWS} rows.*Received: {count}"):
        draw_attention([view()] * count)


def record(step, has_effect=True):
    return {
        "step": step,
        "layers": [
            {
                "network": network,
                "layer": "attention_4x8",
                "gamma": step / 10,
                "has_effect": has_effect,
                "entropy_share": 1 - step / 10,
                "distance_pixels": 3.0 + step,
            }
            for network in ("generator", "discriminator")
        ],
    }


def curves(figure):
    """Points of each line of each panel with a title."""
    return {
        axes.get_title("left"): [
            list(zip(line.get_xdata(), line.get_ydata())) for line in axes.lines
        ]
        for axes in figure.axes
        if axes.get_title("left")
    }


def test_the_history_is_three_panels_with_a_line_a_layer():
    found = curves(draw_attention([view()], history=[record(1), record(2)]))
    assert found["gamma"] == [[(1, 0.1), (2, 0.2)]] * 2
    assert found["entropy, share of uniform"] == [[(1, 0.9), (2, 0.8)]] * 2
    assert found["mean attention distance, px"] == [[(1, 4.0), (2, 5.0)]] * 2


def test_the_history_of_a_layer_without_effect_is_its_gamma_alone():
    history = [record(0, has_effect=False), record(2)]
    found = curves(draw_attention([view()], history=history))
    assert found["gamma"] == [[(0, 0.0), (2, 0.2)]] * 2
    assert found["entropy, share of uniform"] == [[(2, 0.8)]] * 2


def test_all_panels_of_the_history_have_the_same_steps():
    history = [record(1, has_effect=False), record(9)]
    gammas = {("generator", "attention_4x8"): [(0, 0.0), (5, 0.05)]}
    for last, expected in ((history, (0, 9)), (history[1:], (0, 9))):
        figure = draw_attention([view()], history=last, gammas=gammas)
        spans = {axes.get_xlim() for axes in figure.axes if axes.get_title("left")}
        ((low, high),) = spans
        assert low == pytest.approx(expected[0], abs=0.5) and low < expected[0]
        assert high == pytest.approx(expected[1], abs=0.5) and high > expected[1]


def test_gammas_of_the_training_stand_behind_the_history():
    gammas = {("generator", "attention_4x8"): [(0, 0.0), (1, 0.05)]}
    figure = draw_attention([view()], history=[record(1)], gammas=gammas)
    assert curves(figure)["gamma"][0] == [(0, 0.0), (1, 0.05)]
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["generator, 4x8", "discriminator, 4x8"]
    lines = next(a for a in figure.axes if a.get_title("left") == "gamma").lines
    colours = [handle.get_color() for handle in legend.get_lines()]
    assert colours == [line.get_color() for line in lines[1:]]
    assert lines[0].get_color() == lines[1].get_color()


@pytest.mark.parametrize(
    "cells", [[], CELLS[:1], CELLS + [(3, 7), (2, 2), (0, 6), (2, 5)]]
)
def test_nothing_is_drawn_outside_the_image(cells, tmp_path):
    figure = draw_attention(
        [view(cells=cells), view(gamma=0.0, channels=1, cells=cells)],
        history=[record(1), record(2)],
    )
    figure.draw_without_rendering()
    width, height = figure.get_size_inches() * figure.dpi
    for text in figure.texts:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert box is None or (box.x0 >= -1 and box.x1 <= width + 1)


def test_a_png_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    write_attention(path, [view()])
    before = path.read_bytes()
    assert Image.open(path).size[0] > 600

    def fail(figure, target, format):
        open(target, "wb").write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", fail)
    with pytest.raises(OSError, match="No space"):
        write_attention(path, [view()])
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]


def test_matplotlib_is_loaded_when_something_is_drawn():
    code = (
        "import sys, sagan_tf.attention_maps.figure, sagan_tf.attention_maps.page;"
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_dollar_sign_starts_no_formula(tmp_path):
    write_attention(tmp_path / "a.png", [view(title="$_$")], "a$^$b")
