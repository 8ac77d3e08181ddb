"""The page of attention maps: what it keeps, and how it works in a browser."""

import base64
import json
import re

import numpy as np
import pytest
from browser import open_browser

from sagan_tf.attention_maps.measures import attention_distance, entropy_bits
from sagan_tf.attention_maps.overlay import colour_table, overlay
from sagan_tf.attention_maps.page import MOST_BYTES, Page, quantized
from sagan_tf.attention_maps.view import make_view
from sagan_tf.networks.attention_scores import AttentionMap

# Height and width differ everywhere: what is transposed is seen.
GRID = (8, 16, 4, 2)
RESOLUTION = 32
TITLE = "</script><b>run & co</b>"


def scores(seed, grid=GRID):
    logits = 2 * np.random.default_rng(seed).normal(size=grid)
    shares = np.exp(logits) / np.exp(logits).sum((2, 3), keepdims=True)
    return shares.astype("float32")


def image(seed, channels=3):
    shape = (RESOLUTION, RESOLUTION, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, "uint8")


MAPS = {
    (0, 0): AttentionMap("generator", "attention_8x16", 0.25, scores(0)),
    (0, 1): AttentionMap("discriminator", "attention_4x4", -0.5, scores(1, (4,) * 4)),
    (1, 0): AttentionMap("generator", "attention_8x16", 0.25, scores(2)),
    (1, 1): AttentionMap("discriminator", "attention_4x4", 0.0, scores(3, (4,) * 4)),
}
IMAGES = [image(0), image(1, channels=1)]
CELLS = [(0, 1), (3, 2)]


def write_page(path):
    page = Page(2, [GRID, (4,) * 4])
    for (index, _), attention_map in MAPS.items():
        view = make_view(IMAGES[index], attention_map, CELLS, f"seed {index}")
        page.add(index, view, attention_map.scores)
    page.write(path, TITLE, "2 generated images")
    return path


def data_of(path):
    (text,) = re.findall(r'id="data">(.*?)</script>', path.read_text(), re.DOTALL)
    return json.loads(text)


def test_the_largest_share_of_a_query_is_255_and_others_are_within_half_a_step():
    values = scores(0)
    steps, largest = quantized(values)
    assert steps.dtype == np.uint8
    assert (steps.max((2, 3)) == 255).all()
    restored = steps / 255 * largest[:, :, None, None]
    assert np.abs(restored - values).max() <= largest.max() / 510 * 1.001
    np.testing.assert_array_equal(largest, values.max((2, 3)))


def test_the_page_holds_the_bytes_of_every_map(tmp_path):
    layer = data_of(write_page(tmp_path / "a.html"))["images"][1]["layers"][0]
    steps = np.frombuffer(base64.b64decode(layer["maps"]), np.uint8).reshape(GRID)
    np.testing.assert_array_equal(steps, quantized(scores(2))[0])
    entropy = np.frombuffer(base64.b64decode(layer["entropy"]), "<f4").reshape(8, 16)
    np.testing.assert_allclose(entropy, entropy_bits(scores(2)), rtol=1e-6)


def test_the_page_names_nothing_outside_itself(tmp_path):
    text = write_page(tmp_path / "a.html").read_text()
    addresses = set(re.findall(r"""\w+://[^\s"'<]+""", text))
    assert addresses == {"http://www.w3.org/2000/svg"}  # A name, not a place.
    assert not re.findall(r"""<link|@import|url\(|\bsrc\s*=|\bfetch\(""", text)


def test_a_title_is_text(tmp_path):
    text = write_page(tmp_path / "a.html").read_text()
    assert "<title>&lt;/script&gt;&lt;b&gt;run &amp; co&lt;/b&gt;</title>" in text
    assert "<b>run" not in text


def test_a_title_of_an_image_cannot_end_the_data(tmp_path):
    page = Page(1, [GRID])
    view = make_view(IMAGES[0], MAPS[0, 0], [], "</script><script>alert(1)")
    page.add(0, view, scores(0))
    page.write(tmp_path / "a.html", "run", "")
    data = data_of(tmp_path / "a.html")
    assert data["images"][0]["title"] == "</script><script>alert(1)"


def test_images_come_in_their_order_whichever_was_added_first(tmp_path):
    page = Page(2, [GRID])
    for index in (1, 0):
        page.add(index, make_view(IMAGES[0], MAPS[0, 0], [], str(index)), scores(0))
    page.write(tmp_path / "a.html", "run", "")
    titles = [each["title"] for each in data_of(tmp_path / "a.html")["images"]]
    assert titles == ["0", "1"]


def test_a_page_that_would_be_too_large_is_refused_with_what_fits():
    grid = (64, 64, 32, 32)
    fits = MOST_BYTES // (4096 * 1024 * 4 // 3)
    Page(fits, [grid])
    message = f"64 MiB .* Received: {fits + 1} .* 5.3 MiB .* at most {fits} image"
    with pytest.raises(ValueError, match=message):
        Page(fits + 1, [grid])


def test_an_existing_page_stays_if_the_new_one_cannot_be_written(tmp_path):
    path = tmp_path / "a.html"
    path.write_text("before")
    page = Page(1, [GRID])
    view = make_view(IMAGES[0], MAPS[0, 0], [], "\ud800")  # Not to be encoded.
    page.add(0, view, scores(0))
    with pytest.raises(UnicodeEncodeError):
        page.write(path, "\ud800", "")
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["a.html"]


@pytest.fixture(scope="module")
def browser():
    with open_browser() as opened:
        yield opened


@pytest.fixture
def page(browser, tmp_path):
    browser.resize(1280, 1000)
    browser.open(write_page(tmp_path / "attention.html"))
    yield browser
    assert browser.errors() == []


def set_drawing(page, smooth, behind):
    page.script(
        """
        const set = (id, name, value, event) => {
          const input = document.getElementById(id);
          input[name] = value;
          input.dispatchEvent(new Event(event));
        };
        set("smooth", "checked", arguments[0], "change");
        set("behind", "value", arguments[1], "input");
        """,
        smooth,
        behind,
    )


def place(page, x, y, of="look"):
    """Where on the screen the middle of a pixel of the image is."""
    box = page.script(
        "const b = document.getElementById(arguments[0]).getBoundingClientRect();"
        "return [b.left, b.top, b.width];",
        of,
    )
    return tuple(box[i] + (v + 0.5) / RESOLUTION * box[2] for i, v in ((0, x), (1, y)))


def canvas(page, selector="#map"):
    """The pixels of a canvas, `(N, N, 3)`."""
    text = page.script(
        """
        const canvas = document.querySelector(arguments[0]);
        const side = canvas.width;
        const all = canvas.getContext("2d").getImageData(0, 0, side, side);
        let text = "";
        for (let i = 0; i < all.data.length; i += 4)
          text += String.fromCharCode(...all.data.subarray(i, i + 3));
        return [side, btoa(text)];
        """,
        selector,
    )
    side, raw = text[0], base64.b64decode(text[1])
    return np.frombuffer(raw, np.uint8).reshape(side, side, 3)


def middles(drawn, high, wide):
    """The colours in the middle of each key."""
    rows = ((np.arange(high) + 0.5) * len(drawn) / high).astype(int)
    columns = ((np.arange(wide) + 0.5) * len(drawn) / wide).astype(int)
    return drawn[rows][:, columns]


def choose(page, group, index):
    selector = f"#{group} label:nth-child({index + 1}) input"
    page.script("document.querySelector(arguments[0]).click();", selector)


def numbers(page):
    names = ("pixel", "cell", "largest", "where", "entropy", "distance", "cells")
    return {name: page.text(f"#{name}") for name in names}


def expected_numbers(values, row, column):
    """What the page should say about a query, computed here."""
    high, wide, keys_high, keys_wide = values.shape
    best = np.unravel_index(values[row, column].argmax(), (keys_high, keys_wide))

    def pixel(at, sizes):
        y, x = (int((i + 0.5) * RESOLUTION / size) for i, size in zip(at, sizes))
        return f"{x}, {y}"

    distance = attention_distance(values)[row, column]
    return {
        "pixel": pixel((row, column), (high, wide)),
        "cell": f"{row}, {column}",
        "largest": f"{100 * values[row, column].max():.1f} %",
        "where": pixel(best, (keys_high, keys_wide)),
        "entropy": f"{entropy_bits(values)[row, column]:.2f} of "
        f"{np.log2(keys_high * keys_wide):.2f} bits",
        "distance": f"{distance * RESOLUTION / high:.1f} px",
        "cells": f"{distance:.2f}",
    }


@pytest.mark.slow
@pytest.mark.parametrize(("x", "y"), [(0, 0), (31, 0), (13, 22), (31, 31), (16, 3)])
@pytest.mark.parametrize("index", [0, 1])
def test_the_pointer_shows_the_map_and_the_numbers_of_its_location(page, x, y, index):
    set_drawing(page, smooth=False, behind=0)
    choose(page, "images", index)
    page.point(place(page, x, y))
    values, row, column = MAPS[index, 0].scores, y * 8 // 32, x * 16 // 32
    assert numbers(page) == expected_numbers(values, row, column)
    expected = colour_table()[quantized(values)[0][row, column]]
    np.testing.assert_array_equal(middles(canvas(page), 4, 2), expected)


@pytest.mark.slow
def test_every_location_of_another_layer_shows_its_own_map(page):
    set_drawing(page, smooth=False, behind=0)
    choose(page, "layers", 1)
    values = MAPS[0, 1].scores
    for row in range(4):
        for column in range(4):
            page.point(place(page, 8 * column + 3, 8 * row + 3))
            expected = colour_table()[quantized(values)[0][row, column]]
            np.testing.assert_array_equal(middles(canvas(page), 4, 4), expected)
    assert page.text("#gamma") == "\u22120.5000"


@pytest.mark.slow
def test_the_smooth_map_over_the_image_is_that_of_the_figure(page):
    page.point(place(page, 20, 9))
    expected = overlay(IMAGES[0], MAPS[0, 0].scores[2, 10], 384)
    difference = np.abs(canvas(page).astype(int) - expected)
    assert difference.max() <= 6  # One colour of the 256.
    assert difference.mean() < 0.6
    assert np.abs(np.diff(expected.astype(int), axis=0)).max() > 20


@pytest.mark.slow
def test_the_image_is_shown_as_it_is(page):
    np.testing.assert_array_equal(canvas(page, "#image"), IMAGES[0])
    choose(page, "images", 1)
    gray = np.repeat(IMAGES[1], 3, axis=2)
    np.testing.assert_array_equal(canvas(page, "#image"), gray)


@pytest.mark.slow
def test_keys_move_the_location_and_stop_at_the_edges(page):
    page.script("document.getElementById('look').focus();")
    page.press("Home", "PageUp")
    assert page.text("#cell") == "0, 0"
    page.press("ArrowUp", "ArrowLeft", "ArrowRight", "ArrowRight", "ArrowDown")
    assert page.text("#cell") == "1, 2"
    assert numbers(page) == expected_numbers(MAPS[0, 0].scores, 1, 2)
    page.press("End", "PageDown", "ArrowRight", "ArrowDown")
    assert page.text("#cell") == "7, 15"


@pytest.mark.slow
def test_the_tab_key_reaches_images_layers_and_location(page):
    reached = []
    for _ in range(8):
        page.press("Tab")
        reached.append(
            page.script("const a = document.activeElement; return a.name || a.id;")
        )
    wanted = ["image", "layer", "smooth", "behind", "look"]
    assert [name for name in reached if name in wanted] == wanted


def pins(page):
    return page.script(
        "return [...document.querySelectorAll('#pins .badge')].map(b => b.textContent);"
    )


@pytest.mark.slow
def test_a_click_pins_a_location_and_another_one_takes_it_away(page):
    assert pins(page) == ["1", "2"]  # Those of the view.
    page.point(place(page, 13, 22), press=True)
    assert pins(page) == ["1", "2", "3"]
    largest = f"{100 * MAPS[0, 0].scores[5, 6].max():.1f} %"
    assert largest in page.text("#pins li:nth-child(3)")
    page.point(place(page, 13, 22), press=True)
    assert pins(page) == ["1", "2"]


@pytest.mark.slow
def test_a_pin_keeps_its_map_while_the_pointer_moves_on(page):
    set_drawing(page, smooth=False, behind=0)
    page.point(place(page, 13, 22), press=True)
    page.point(place(page, 0, 0))
    pinned = canvas(page, "#pins li:nth-child(3) canvas")
    expected = colour_table()[quantized(MAPS[0, 0].scores)[0][5, 6]]
    np.testing.assert_array_equal(middles(pinned, 4, 2), expected)
    page.script("document.querySelector('#pins li:nth-child(3) .go').click();")
    assert page.text("#cell") == "5, 6"


@pytest.mark.slow
def test_enter_pins_and_pins_belong_to_their_image_and_layer(page):
    page.script("document.getElementById('look').focus();")
    page.press("Home", "PageDown", "Enter")
    assert pins(page) == ["1", "2", "3"]
    choose(page, "images", 1)
    assert pins(page) == ["1", "2"]
    choose(page, "images", 0)
    assert pins(page) == ["1", "2", "3"]
    page.script("document.getElementById('clear').click();")
    assert pins(page) == []


@pytest.mark.slow
def test_there_are_as_many_pins_as_colours(page):
    page.script("document.getElementById('look').focus();")
    page.press("PageDown", "Home", *["Enter", "ArrowRight"] * 5, "Enter")
    assert pins(page) == [str(number) for number in range(1, 8)]
    assert "7 pins are taken" in page.text("#under")


@pytest.mark.slow
def test_pointing_at_the_map_reads_a_share(page):
    page.point(place(page, 0, 0))
    page.point(place(page, 25, 13, of="seen"))
    share = 100 * MAPS[0, 0].scores[0, 0][1, 1]
    said = re.fullmatch(r"Share of pixel 24, 12: ([\d.]+) %", page.text("#under"))
    largest = 100 * MAPS[0, 0].scores[0, 0].max()
    assert abs(float(said.group(1)) - share) <= largest / 510 + 0.05


@pytest.mark.slow
def test_a_layer_without_effect_says_so_and_shows_nothing(page):
    choose(page, "images", 1)
    choose(page, "layers", 1)
    assert "gamma = 0: this layer passes its input on unchanged" in page.text("#seen")
    assert page.text("#pinned") == page.text("#numbers") == ""
    page.point(place(page, 3, 3), press=True)
    page.script("document.getElementById('look').focus();")
    page.press("ArrowRight", "Enter")
    assert page.script("return document.getElementById('map').hidden;")
    choose(page, "layers", 0)
    assert page.text("#silence") == ""
    assert pins(page) == ["1", "2"]


@pytest.mark.slow
def test_a_finger_moves_the_location_and_a_tap_pins(page):
    page.resize(390, 844, is_phone=True)
    page.script("document.getElementById('look').scrollIntoView();")
    start, end = place(page, 2, 2), place(page, 29, 21)
    page.point(start, end, press=True, kind="touch")
    assert page.text("#cell") == "5, 14"
    assert pins(page) == ["1", "2"]
    page.point(place(page, 13, 9), press=True, kind="touch")
    assert page.text("#cell") == "2, 6"
    assert pins(page) == ["1", "2", "3"]


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(320, 640), (390, 844), (820, 1180)])
def test_image_and_map_are_on_a_small_screen_together(page, width, height):
    page.resize(width, height, is_phone=True)
    page.script("document.getElementById('look').scrollIntoView();")
    boxes = page.script(
        "return ['look', 'seen'].map(id => {"
        "  const b = document.getElementById(id).getBoundingClientRect();"
        "  return [b.left, b.top, b.right, b.bottom, b.width];});"
    )
    for left, top, right, bottom, side in boxes:
        assert left >= 0 and top >= -1 and right <= width and bottom <= height
        assert side >= 0.38 * min(width, height)
    assert page.script("return document.documentElement.scrollWidth;") <= width


@pytest.mark.slow
def test_the_page_loads_nothing(page):
    loaded = page.script("return performance.getEntriesByType('resource').length;")
    assert loaded == 0
    assert page.text("h1") == TITLE
