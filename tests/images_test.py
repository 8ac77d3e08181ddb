import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from sagan_tf import images
from sagan_tf.settings import config


def random_pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def resize_matrix(size, resolution, antialias):
    """Triangle filter with half-pixel centers, as a matrix (resolution, size)."""
    scale = size / resolution
    width = max(scale, 1) if antialias else 1
    centers = (np.arange(resolution) + 0.5) * scale - 0.5
    if not antialias:
        centers = np.clip(centers, 0, size - 1)
    distance = np.abs(centers[:, None] - np.arange(size)) / width
    weights = np.maximum(1 - distance, 0)
    return weights / weights.sum(axis=1, keepdims=True)


def resize_oracle(square, resolution, antialias=True):
    matrix = resize_matrix(len(square), resolution, antialias)
    return np.einsum("ai,bj,ijc->abc", matrix, matrix, square.astype(float))


@pytest.mark.parametrize("kind", [np.array, tf.constant])
def test_all_256_values_survive_the_round_trip(kind):
    pixels = np.arange(256, dtype=np.uint8)
    there = images.from_pixels(kind(pixels))
    back = images.to_pixels(there)
    assert np.asarray(there).dtype == np.float32
    assert np.asarray(back).dtype == np.uint8
    np.testing.assert_array_equal(back, pixels)


def test_the_usual_wrong_formula_loses_47_values():
    pixels = np.arange(256, dtype=np.uint8)
    wrong = ((images.from_pixels(pixels) + 1) * np.float32(127.5)).astype(np.uint8)
    assert np.sum(wrong != pixels) == 47


def test_images_reach_from_minus_one_to_one_and_not_beyond():
    values = images.from_pixels(np.array([0, 255], np.uint8))
    np.testing.assert_array_equal(values, [-1, 1])


def test_to_pixels_clips_and_is_the_same_in_graph_mode_and_half_precision():
    values = np.array([-9, -1, -0.5, 0, 0.5, 1, 9], np.float32)
    expected = [0, 0, 64, 128, 191, 255, 255]
    graph = tf.function(images.to_pixels)
    np.testing.assert_array_equal(images.to_pixels(values), expected)
    np.testing.assert_array_equal(graph(tf.constant(values)), expected)
    np.testing.assert_array_equal(graph(tf.constant(values, tf.bfloat16)), expected)


def test_arrays_and_tensors_give_the_same_pixels():
    values = np.random.default_rng(0).uniform(-1.2, 1.2, 10_000).astype(np.float32)
    np.testing.assert_array_equal(
        images.to_pixels(values), images.to_pixels(tf.constant(values))
    )


@pytest.mark.parametrize("shape", [(30, 47, 3), (47, 30, 3), (41, 41, 1)])
def test_the_crop_is_the_square_in_the_middle(shape):
    pixels = random_pixels(*shape)
    side = min(shape[:2])
    top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    result = images.center_crop_and_resize(pixels, side)
    np.testing.assert_array_equal(result, pixels[top : top + side, left : left + side])


@pytest.mark.parametrize("size, resolution", [(48, 32), (100, 32), (37, 16), (20, 32)])
def test_default_resize_is_an_antialiased_triangle_filter(size, resolution):
    pixels = random_pixels(size, size, 3)
    result = images.center_crop_and_resize(pixels, resolution).numpy().astype(float)
    expected = resize_oracle(pixels, resolution)
    # Half a pixel value from rounding, the rest from float32.
    assert np.abs(result - expected).max() <= 0.5 + 1e-3


def test_without_antialiasing_the_oracle_for_it_fails():
    pixels = random_pixels(100, 100, 3)
    result = images.center_crop_and_resize(pixels, 32, "bilinear").numpy().astype(float)
    plain = resize_oracle(pixels, 32, antialias=False)
    assert np.abs(result - plain).max() <= 0.5 + 1e-3
    assert np.abs(result - resize_oracle(pixels, 32)).max() > 20


@pytest.mark.parametrize(
    "method, pillow, tolerance",
    [
        ("antialiased_bilinear", Image.Resampling.BILINEAR, 1),
        ("antialiased_bicubic", Image.Resampling.BICUBIC, 1),
        # Pillow clips to 0..255 between rows and columns, where Lanczos overshoots.
        ("lanczos3", Image.Resampling.LANCZOS, 4),
        ("area", Image.Resampling.BOX, 1),
        ("nearest", Image.Resampling.NEAREST, 0),
    ],
)
def test_resize_agrees_with_pillow(method, pillow, tolerance):
    pixels = random_pixels(60, 75, 3)
    square = Image.fromarray(pixels[:, 7:67])
    expected = np.asarray(square.resize((20, 20), pillow)).astype(int)
    result = images.center_crop_and_resize(pixels, 20, method).numpy().astype(int)
    assert np.abs(result - expected).max() <= tolerance


@pytest.mark.parametrize("method", images.RESIZE_METHODS)
def test_every_method_keeps_a_plain_colour_and_works_in_a_graph(method):
    crop = tf.function(
        lambda pixels: images.center_crop_and_resize(pixels, 8, method),
        input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)],
    )
    for size in (5, 8, 21):
        result = crop(tf.fill([size, size + 3, 3], tf.constant(77, tf.uint8)))
        np.testing.assert_array_equal(result, np.full((8, 8, 3), 77))


def test_a_picture_of_the_target_size_is_not_resampled():
    pixels = random_pixels(16, 16, 3)
    for method in images.RESIZE_METHODS:
        result = images.center_crop_and_resize(pixels, 16, method)
        np.testing.assert_array_equal(result, pixels)


def test_a_batch_is_resized_as_its_pictures_are():
    pixels = random_pixels(3, 20, 31, 3)
    batch = images.center_crop_and_resize(pixels, 12)
    for one, expected in zip(pixels, batch, strict=True):
        np.testing.assert_array_equal(images.center_crop_and_resize(one, 12), expected)


def test_the_flag_knows_all_methods():
    assert set(config.RESIZE) == set(images.RESIZE_METHODS)


def test_unknown_resize_method_lists_the_known_ones():
    with pytest.raises(ValueError, match="antialiased_bilinear.*Received: resize='x'"):
        images.center_crop_and_resize(random_pixels(4, 4, 3), 2, "x")


def test_rgb_becomes_gray_as_in_pillow():
    pixels = random_pixels(20, 30, 3)
    expected = np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    np.testing.assert_array_equal(images.adapt_channels(pixels, 1), expected)


def test_gray_becomes_rgb_of_three_equal_channels():
    pixels = random_pixels(4, 5, 1)
    result = images.adapt_channels(pixels, 3)
    np.testing.assert_array_equal(result, np.repeat(pixels, 3, axis=-1))


def test_transparent_parts_lie_over_white():
    pixels = np.array(
        [[[10, 20, 30, 255], [10, 20, 30, 0], [10, 20, 30, 51]]], np.uint8
    )
    expected = [[[10, 20, 30], [255, 255, 255], [206, 208, 210]]]
    np.testing.assert_array_equal(images.adapt_channels(pixels, 3), expected)
    gray = np.array([[[10, 255], [10, 0]]], np.uint8)
    np.testing.assert_array_equal(images.adapt_channels(gray, 1), [[[10], [255]]])


@pytest.mark.parametrize("given", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_channels_are_adapted_alike_when_their_number_is_unknown(given, channels):
    pixels = random_pixels(4, 5, given)
    graph = tf.function(
        lambda pixels: images.adapt_channels(pixels, channels),
        input_signature=[tf.TensorSpec([None, None, None], tf.uint8)],
    )
    result = graph(pixels)
    assert result.shape == (4, 5, channels)
    np.testing.assert_array_equal(result, images.adapt_channels(pixels, channels))


def test_other_channel_counts_are_refused():
    with pytest.raises(ValueError, match="1 .*or 3 .*Received: channels=4"):
        images.adapt_channels(random_pixels(2, 2, 3), 4)
    with pytest.raises(ValueError, match=r"Received: shape=\(2, 2, 5\)"):
        images.adapt_channels(random_pixels(2, 2, 5), 3)


def test_grid_places_pictures_row_by_row():
    pixels = random_pixels(5, 4, 6, 3)
    result = images.grid(pixels, columns=3, pad=2, background=9)
    assert result.shape == (4 * 2 + 2, 6 * 3 + 4, 3)
    np.testing.assert_array_equal(result[:4, :6], pixels[0])
    np.testing.assert_array_equal(result[:4, 16:22], pixels[2])
    np.testing.assert_array_equal(result[6:10, 8:14], pixels[4])
    assert (result[4:6] == 9).all() and (result[:, 6:8] == 9).all()
    assert (result[6:, 16:] == 9).all()  # The empty place at the end.


def test_grid_refuses_images_that_are_not_pixels():
    with pytest.raises(ValueError, match="Received: dtype=float32.*to_pixels"):
        images.grid(np.zeros([2, 4, 4, 3], np.float32), 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_holds_what_was_written(tmp_path, channels):
    pixels = random_pixels(7, 5, channels)
    path = tmp_path / "a.png"
    images.write_png(path, pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), pixels.squeeze())
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_png_of_tiny_pictures_can_be_enlarged(tmp_path):
    pixels = random_pixels(2, 3, 3)
    images.write_png(tmp_path / "a.png", pixels, scale=4)
    expected = np.kron(pixels, np.ones((4, 4, 1), np.uint8))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), expected)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_a_notebook_gets_the_picture_that_a_file_would_hold(channels, mode):
    pixels = random_pixels(2, 3, channels)
    picture = images.to_picture(images.to_pixels(images.from_pixels(pixels)), scale=2)
    assert (picture.mode, picture.size) == (mode, (6, 4))
    expected = np.kron(pixels, np.ones((2, 2, 1), np.uint8)).squeeze()
    np.testing.assert_array_equal(np.asarray(picture), expected)


@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_the_old_file_alone(tmp_path, monkeypatch, failure):
    path = tmp_path / "a.png"
    images.write_png(path, random_pixels(3, 3, 3))
    before = path.read_bytes()

    def save_half(self, file, format, **options):
        file.write(b"half a pic")
        raise failure

    monkeypatch.setattr(Image.Image, "save", save_half)
    with pytest.raises(type(failure)):
        images.write_png(path, random_pixels(3, 3, 3, seed=1))
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


def test_png_of_wrong_type_or_channels_is_refused(tmp_path):
    for pixels in (np.zeros([2, 2, 3], np.float32), np.zeros([2, 2, 4], np.uint8)):
        with pytest.raises(ValueError, match="needs uint8 pixels"):
            images.write_png(tmp_path / "a.png", pixels)
    assert not list(tmp_path.iterdir())


def test_enlarged_pictures_repeat_their_pixels():
    pixels = random_pixels(2, 3, 4, 3)
    large = images.enlarge(pixels, 3)
    assert large.shape == (2, 9, 12, 3)
    for y, x in ((0, 0), (1, 2), (2, 1)):
        np.testing.assert_array_equal(large[:, y::3, x::3], pixels)
