"""The page that draws: what is in its folder, and how it works in a browser."""

import json
import pathlib
import re
import time

import numpy as np
import pytest
import untrained
from browser import open_browser
from PIL import Image

from sagan_tf import export, images, sample
from sagan_tf.attention_maps.overlay import colour_table
from sagan_tf.errors import BadInput
from sagan_tf.exports import export as exports
from sagan_tf.exports import onnxruntime_web, web_page
from sagan_tf.model import latents
from sagan_tf.networks.attention_scores import with_attention_scores
from sagan_tf.run import building
from sagan_tf.sampling import walks
from tests.attention_maps.page_test import canvas, middles, place
from tests.exports.onnxruntime_web_test import write_package
from tests.exports.signatures_test import LABELS, Z, make_generator

for module in web_page.MODULES:
    pytest.importorskip(module, reason=f"{module} is in the extra onnx")
ROOT = pathlib.Path(__file__).parents[2]
Z_DIM = 8
SEEDS = [0, 1, 7, 2**31 - 1, *range(100, 110)]


# The folder, without a browser.


@pytest.fixture(scope="module")
def generator():
    return make_generator()


@pytest.fixture(scope="module")
def folder(generator, tmp_path_factory):
    """The page of a generator in memory, around a stand-in of the runtime."""
    path = tmp_path_factory.mktemp("models")
    package = write_package(path / "package")
    names = ("</script><b>", "b", "c", "d", "e")
    options = {"num_classes": 5, "class_names": names, "onnxruntime_web": package}
    exports.export_generator(generator, path / "1", format="web", **options)
    return path / "1"


@pytest.mark.slow
def test_the_network_has_the_images_and_the_attention_maps(generator, folder):
    session = web_page.open_session(folder)
    names = ["images", "attention_16x16"]
    assert {output.name for output in session.get_outputs()} == set(names)
    found = session.run(names, {"z": Z, "labels": LABELS})
    expected = with_attention_scores(generator)([Z, LABELS])
    for values, name in zip(found, ("output", "attention_16x16")):
        np.testing.assert_allclose(values, expected[name], atol=1e-5)
    assert found[1].shape == (8, 16, 16, 8, 8)
    signature = json.loads((folder / "export.json").read_text())["signatures"]["images"]
    shape = [None, 16, 16, 8, 8]
    assert signature["outputs"]["attention_16x16"]["shape"] == shape


@pytest.mark.slow
def test_the_folder_has_no_weights_twice(folder):
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    runtime = {"ort.wasm.min.js", "binary.js", "ThirdPartyNotices.txt"}
    assert files == {
        *("index.html", "generator.js", "export.json", "model_card.md"),
        *(f"runtime/{name}" for name in runtime),
    }


@pytest.mark.slow
def test_names_are_text_and_nothing_outside_is_named(folder):
    text = (folder / "index.html").read_text()
    assert "<b>" not in text
    addresses = set(re.findall(r"""\w+://[^\s"'<]+""", text))
    assert addresses == {"http://www.w3.org/2000/svg"}  # A name, not a place.


# In a browser, from the disk.


@pytest.fixture(scope="module")
def package():
    try:
        return onnxruntime_web.find_package(ROOT / "node_modules/onnxruntime-web")
    except BadInput:
        version = onnxruntime_web.TRIED_VERSION
        pytest.skip(
            "onnxruntime-web not found: the page is NOT tested in a browser. Try "
            f"npm install --no-save onnxruntime-web@{version} in {ROOT}."
        )


@pytest.fixture(scope="module")
def browser(package):
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The directory of a run. Not to be changed."""
    workdir = tmp_path_factory.mktemp("run")
    untrained.write_run(workdir, z_dim=Z_DIM)
    return workdir


@pytest.fixture(scope="module")
def opened(browser, run, package, tmp_path_factory):
    """The page of the run: the folder is elsewhere since it was written."""
    path = tmp_path_factory.mktemp("models")
    flags = [f"--workdir={run}", f"--output={path / '1'}", "--format=web"]
    assert export.main(["export", *flags, f"--onnxruntime_web={package}"]) == 0
    moved = (path / "1").rename(path / "moved")
    browser.open(moved / "index.html")
    wait(browser)
    return browser


@pytest.fixture
def page(opened):
    """The page as it was when it was opened."""
    opened.resize(1280, 1000)
    for name, value in {"label": "", "seed": 0, "cut": False, "smooth": True}.items():
        choose(opened, name, value)
    wait(opened)
    yield opened
    assert opened.errors() == []


def wait(page):
    """Waits for the image that was asked for last; answers what is written below."""
    for _ in range(300):
        if page.script("return session !== null && !isDrawing && !isStale"):
            return page.text("#caption")
        time.sleep(0.1)
    raise AssertionError(page.text("body"))


def choose(page, name, value):
    page.script(
        """
        const input = document.getElementById(arguments[0]);
        input[input.type === "checkbox" ? "checked" : "value"] = arguments[1];
        for (const kind of ["input", "change"]) input.dispatchEvent(new Event(kind));
        """,
        name,
        value,
    )


def assert_levels(found, expected):
    """Pixels differ by at most one of 256 levels."""
    assert np.std(expected) > 10
    assert np.max(np.abs(found.astype(int) - expected)) <= 1


def drawn(run, seed, label=None, z=None, truncation=None):
    """The pixels of the run's generator, `(R, R, 1)`."""
    generator, *_ = building.load_generator(run)
    if z is None:
        z = latents.draw_z([seed], Z_DIM, truncation=truncation)
    if label is None:
        label = latents.draw_labels([seed], 10).numpy()[0]
    made = generator([np.reshape(z, (1, Z_DIM)), np.int32([label])], training=False)
    return images.to_pixels(made.numpy()[0])


@pytest.mark.slow
@pytest.mark.parametrize("truncation", [None, 0.35])
def test_z_is_the_one_of_the_seed(page, truncation):
    found = page.script(
        "return arguments[0].map(seed => [...drawZ(seed, 130, arguments[1])]);",
        *(SEEDS, truncation),
    )
    expected = latents.draw_z(SEEDS, 130, truncation=truncation)
    assert np.max(np.abs(np.array(found) - expected)) <= 1e-6
    assert np.std(expected) > 0.2


@pytest.mark.slow
def test_the_label_is_the_one_of_the_seed(page):
    found = page.script("return arguments[0].map(seed => drawLabel(seed, 1000))", SEEDS)
    assert found == latents.draw_labels(SEEDS, 1000).numpy().tolist()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "label", "truncation"), [(3, None, None), (5, 7, None), (6, 0, 0.35)]
)
def test_it_draws_the_image_of_the_command_sample(
    page, run, tmp_path, seed, label, truncation
):
    flags = [f"--workdir={run}", f"--seeds={seed}", f"--output={tmp_path / 'a.png'}"]
    choose(page, "seed", seed)
    if label is not None:
        choose(page, "label", str(label))
        flags.append(f"--labels={label}")
    if truncation is not None:
        choose(page, "cut", True)
        choose(page, "truncation", truncation)
        flags.append(f"--truncation={truncation}")
    assert sample.main(["sample", *flags]) == 0
    # The command enlarges small images: each pixel is a square of 2 x 2.
    expected = np.asarray(Image.open(tmp_path / "a.png"))[::2, ::2, None]
    said = wait(page)
    assert said.startswith(f"Seed {seed}, class digit ")
    assert page.text("#flags") == " ".join(flags[1:2] + flags[3:])
    assert_levels(canvas(page, "#image"), np.repeat(expected, 3, axis=2))


@pytest.mark.slow
def test_dragging_walks_as_the_command_sample_does(page, run):
    box = page.script(
        "const b = document.getElementById('look').getBoundingClientRect();"
        "return [b.left, b.top, b.width];"
    )
    choose(page, "seed", 4)
    choose(page, "label", "2")
    # A width of the image is a seed: from seed 4 to three quarters after seed 4 and,
    # from there, one back.
    x, y, width = box[0] + 0.1 * box[2], box[1] + 50, box[2]
    page.point((x, y), (x + 20, y), (x + 0.75 * width, y), press=True)
    said = wait(page)
    assert said.startswith("Seed 4, 75 % of the way to seed 5, class digit 2.")
    fraction = page.script("return state.position") - 4
    assert abs(fraction - 0.75) < 0.01
    start, end = latents.draw_z([4, 5], Z_DIM).numpy()
    z = walks.slerp(start, end, [fraction])
    np.testing.assert_allclose(page.script("return [...wanted().z]"), z[0], atol=1e-6)
    expected = np.repeat(drawn(run, None, 2, z), 3, axis=2)
    assert_levels(canvas(page, "#image"), expected)
    assert np.max(np.abs(expected.astype(int) - drawn(run, 4, 2))) > 20
    page.point((x + 0.8 * width, y), (x, y), press=True)
    wait(page)
    assert page.script("return state.position") < 4
    assert page.script("return document.getElementById('seed').value") == "3"


@pytest.mark.slow
def test_the_slider_walks_too_and_ends_at_the_next_seed(page, run):
    choose(page, "seed", 8)
    choose(page, "label", "1")
    for value, words in ((0.5, "Seed 8, 50 % of the way to seed 9,"), (1, "Seed 9,")):
        choose(page, "walk", value)
        assert wait(page).startswith(words)
    assert_levels(canvas(page, "#image"), np.repeat(drawn(run, 9, 1), 3, axis=2))


@pytest.mark.slow
def test_the_pixel_under_the_pointer_shows_its_attention(page, run):
    choose(page, "seed", 2)
    choose(page, "smooth", False)
    choose(page, "behind", 0)
    wait(page)
    generator, *_ = building.load_generator(run)
    label = latents.draw_labels([2], 10)
    maps = with_attention_scores(generator)([latents.draw_z([2], Z_DIM), label])
    for x, y in ((1, 30), (17, 9)):
        page.point(place(page, x, y))
        scores = maps["attention_8x8"].numpy()[0, y // 4, x // 4]
        values = scores / scores.max()
        expected = colour_table()[np.minimum((values * 256).astype(int), 255)]
        found = middles(canvas(page), 4, 4)
        # One colour of the 256: the last bits of a share may differ.
        assert np.max(np.abs(found.astype(int) - expected)) <= 6
        assert np.ptp(expected.astype(int)) > 100
        best = np.unravel_index(scores.argmax(), scores.shape)
        column, row = (int((i + 0.5) * 8) for i in best[::-1])
        assert f"is at pixel {column}, {row}." in page.text("#under")
    choose(page, "behind", 100)


@pytest.mark.slow
def test_keys_reach_everything(page):
    page.script(
        "document.activeElement.blur(); document.getElementById('label').focus()"
    )
    reached = ["label"]
    for _ in range(7):
        page.press("Tab")
        reached.append(
            page.script("const a = document.activeElement; return a.name || a.id;")
        )
    expected = ["label", "seed", "walk", "cut", "layer", "smooth", "behind", "look"]
    assert reached == expected
    page.press("PageUp", "Home", "ArrowRight", "ArrowDown")
    assert page.script("return state.cell") == [1, 1]
    assert "What pixel 6, 6 looks at" in page.text("#under")
    page.script("document.getElementById('seed').focus()")
    page.press("ArrowUp", "ArrowUp")
    assert wait(page).startswith("Seed 2,")


@pytest.mark.slow
def test_a_seed_that_is_none_changes_nothing(page):
    choose(page, "seed", 3)
    before = wait(page)
    for value in ("", "-1", "1.5", str(2**31)):
        choose(page, "seed", value)
        assert wait(page) == before


@pytest.mark.slow
def test_it_loads_the_files_beside_it_and_cannot_load_others(page):
    names = page.script(
        "return performance.getEntriesByType('resource').map(e => e.name)"
    )
    assert all(name.startswith(("file:", "blob:")) for name in names)
    refused = page.script(
        "return fetch('http://127.0.0.1:9/').then(() => '', error => error.message)"
    )
    assert "Failed to fetch" in refused
    assert "Content Security Policy" in "".join(page.errors())


@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 390])
def test_it_fits_a_phone_and_a_tap_shows_attention(page, width):
    page.resize(width, 844, is_phone=True)
    assert page.script("return document.documentElement.scrollWidth;") <= width
    page.script("document.getElementById('look').scrollIntoView();")
    page.point(place(page, 9, 22), press=True, kind="touch")
    assert page.script("return state.cell") == [5, 2]


@pytest.mark.slow
@pytest.mark.parametrize("attention", [(16,), ()], ids=["gamma 0", "no attention"])
def test_an_unconditional_generator_in_colour(browser, package, tmp_path, attention):
    generator = make_generator(num_classes=0, attention=attention)
    for layer in generator.layers:
        if hasattr(layer, "gamma") and layer.name.startswith("attention"):
            layer.gamma.assign(0.0)
    exports.export_generator(
        generator, tmp_path / "1", format="web", onnxruntime_web=package
    )
    browser.open(tmp_path / "1" / "index.html")
    assert wait(browser).startswith("Seed 0. Drawn in")
    expected = generator(latents.draw_z([0], 6), training=False)
    assert_levels(canvas(browser, "#image"), images.to_pixels(expected.numpy()[0]))
    assert browser.text("#classes") == ""
    assert ("gamma = 0" in browser.text("#seen")) == bool(attention)
    assert browser.errors() == []


@pytest.mark.slow
def test_a_missing_file_is_named(browser, folder):
    browser.open(folder / "index.html")  # Its runtime is a stand-in.
    for _ in range(100):
        if "cannot draw" in browser.text("#still"):
            break
        time.sleep(0.1)
    assert "The network cannot draw: " in browser.text("#still")
    browser.errors()
