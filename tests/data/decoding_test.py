"""Every kind of image file, against Pillow or against values known beforehand."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from sagan_tf.data.decoding import decode_picture, looks_like_picture
from sagan_tf.images import adapt_channels

from .samples import encoded, random_pixels

# Smooth, so that JPEG's halved colour resolution matters little.
SMOOTH = np.asarray(
    Image.fromarray(random_pixels(4, 5, 3)).resize((40, 32), Image.Resampling.BICUBIC)
)


@pytest.fixture(scope="module")
def decode():
    """Decoding in graph mode, as the pipeline does."""
    return tf.function(
        lambda contents: adapt_channels(decode_picture(contents), 3),
        input_signature=[tf.TensorSpec([], tf.string)],
    )


def with_pillow(contents):
    return np.asarray(Image.open(io.BytesIO(contents)).convert("RGB"))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF"])
def test_lossless_files_give_their_pixels(decode, kind):
    palette = Image.fromarray(SMOOTH).quantize(16)
    picture = palette if kind == "GIF" else SMOOTH
    expected = np.asarray(palette.convert("RGB")) if kind == "GIF" else SMOOTH
    np.testing.assert_array_equal(decode(encoded(picture, kind)), expected)


def test_webp_gives_its_pixels(decode):
    contents = encoded(SMOOTH, "WEBP", lossless=True)
    np.testing.assert_array_equal(decode(contents), SMOOTH)


@pytest.mark.parametrize("quality", [50, 95])
def test_jpeg_is_decoded_to_the_bit_as_pillow_does(decode, quality):
    contents = encoded(SMOOTH, "JPEG", quality=quality)
    np.testing.assert_array_equal(decode(contents), with_pillow(contents))


def test_the_default_jpeg_transform_would_differ():
    contents = encoded(SMOOTH, "JPEG", quality=50)
    fast = tf.io.decode_image(contents).numpy()
    assert np.any(fast != with_pillow(contents))


def test_cmyk_jpeg_becomes_rgb(decode):
    contents = encoded(Image.fromarray(SMOOTH).convert("CMYK"), "JPEG", quality=95)
    difference = decode(contents).numpy().astype(int) - with_pillow(contents)
    assert np.abs(difference).max() <= 2
    assert np.abs(decode(contents).numpy().astype(int) - SMOOTH).max() < 40


def test_grey_jpeg_becomes_three_equal_channels(decode):
    contents = encoded(SMOOTH[..., 0], "JPEG", quality=90)
    np.testing.assert_array_equal(decode(contents), with_pillow(contents))


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_palette_colours_are_looked_up(decode, kind):
    palette = Image.fromarray(SMOOTH).quantize(16)
    expected = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(decode(encoded(palette, kind)), expected)


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_one_bit_pictures_are_black_and_white(decode, kind):
    expected = np.where(SMOOTH[..., :1] > 128, 255, 0).repeat(3, axis=-1)
    contents = encoded(Image.fromarray(SMOOTH[..., 0] > 128), kind)
    np.testing.assert_array_equal(decode(contents), expected)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_palette_colour_becomes_white(decode, kind):
    palette = Image.fromarray(SMOOTH).quantize(16)
    numbers = np.asarray(palette)
    hidden = int(numbers[3, 4])
    expected = np.where(numbers[..., None] == hidden, 255, palette.convert("RGB"))
    contents = encoded(palette, kind, transparency=hidden)
    np.testing.assert_array_equal(decode(contents), expected)


def test_alpha_is_laid_over_white(decode):
    alpha = random_pixels(32, 40, 1, seed=1)
    weight = alpha / 255
    rgba = decode(encoded(np.dstack([SMOOTH, alpha]), "PNG")).numpy()
    expected = SMOOTH * weight + 255 * (1 - weight)
    assert np.abs(rgba - expected).max() <= 0.5 + 1e-6
    grey_alpha = decode(
        encoded(Image.fromarray(np.dstack([SMOOTH[..., 0], alpha]), "LA"), "PNG")
    ).numpy()
    expected = SMOOTH[..., :1] * weight + 255 * (1 - weight)
    assert np.abs(grey_alpha - expected).max() <= 0.5 + 1e-6


def test_sixteen_bits_lose_their_low_byte(decode):
    deep = np.random.default_rng(0).integers(0, 2**16, (6, 5)).astype(np.uint16)
    result = decode(encoded(Image.fromarray(deep), "PNG"))
    np.testing.assert_array_equal(result[..., 0], deep >> 8)


def test_of_an_animation_the_first_frame_is_taken(decode):
    frames = [Image.fromarray(np.full((6, 5), value, np.uint8)) for value in (30, 200)]
    contents = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode(contents), np.full((6, 5, 3), 30))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
def test_a_file_that_is_cut_off_is_an_error(decode, kind):
    contents = encoded(random_pixels(64, 64, 3), kind)
    with pytest.raises(tf.errors.OpError):
        decode(contents[: len(contents) // 2])


@pytest.mark.parametrize("contents", [b"", b"x", b"<html>Not found</html>"])
def test_what_is_no_picture_is_an_error(decode, contents):
    with pytest.raises(tf.errors.OpError):
        decode(contents)
    assert not looks_like_picture(contents)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_picture_files_are_recognised_by_their_first_bytes(kind):
    assert looks_like_picture(encoded(SMOOTH, kind)[:4])
