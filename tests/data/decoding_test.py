"""Every kind of image file, against Pillow or against values known beforehand."""

import io
import logging
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from sagan_tf.data.decoding import decode_picture, looks_like_picture, read_picture
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


def test_gray_jpeg_becomes_three_equal_channels(decode):
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
    gray_alpha = decode(
        encoded(Image.fromarray(np.dstack([SMOOTH[..., 0], alpha]), "LA"), "PNG")
    ).numpy()
    expected = SMOOTH[..., :1] * weight + 255 * (1 - weight)
    assert np.abs(gray_alpha - expected).max() <= 0.5 + 1e-6


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


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
def test_of_a_moving_rgb_picture_the_first_frame_is_taken(decode, kind):
    """TensorFlow's decoder of WebP corrupts the heap here, and aborts."""
    frames = [Image.fromarray(np.full((6, 5, 3), v, np.uint8)) for v in (30, 200, 90)]
    lossless = {"lossless": True} if kind == "WEBP" else {}
    contents = encoded(
        frames[0], kind, save_all=True, append_images=frames[1:], **lossless
    )
    np.testing.assert_array_equal(decode(contents), np.full((6, 5, 3), 30))
    # As a file of another name would be.
    np.testing.assert_array_equal(decode_picture(contents)[..., :3], decode(contents))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_alpha_of_every_lossless_kind_is_laid_over_white(decode, kind):
    alpha = random_pixels(32, 40, 1, seed=1)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    rgba = decode(encoded(np.dstack([SMOOTH, alpha]), kind, **options)).numpy()
    weight = alpha / 255
    assert np.abs(rgba - (SMOOTH * weight + 255 * (1 - weight))).max() <= 0.5 + 1e-6


def test_a_palette_with_partial_alpha_is_laid_over_white(decode):
    palette = Image.fromarray(SMOOTH).quantize(16)
    alphas = np.arange(0, 256, 16, np.uint8)
    weight = alphas[np.asarray(palette)][..., None] / 255
    expected = np.asarray(palette.convert("RGB")) * weight + 255 * (1 - weight)
    rgba = decode(encoded(palette, "PNG", transparency=alphas.tobytes())).numpy()
    assert np.abs(rgba - expected).max() <= 0.5 + 1e-6


def png(values, bits, colour_type, *parts):
    """A PNG of values (H, W, C) in 0..2**bits - 1, that Pillow would not write."""
    values = np.asarray(values)
    rows = values.reshape(len(values), -1)
    if bits < 8:
        wide = (rows[..., None] >> np.arange(bits)[::-1] & 1).reshape(len(rows), -1)
        rows = np.packbits(wide.astype(np.uint8), axis=1)
    rows = rows.astype(">u2" if bits == 16 else ">u1")
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    height, width = values.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    parts = [(b"IHDR", header), *parts, (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)
        for name, data in parts
        for crc in [zlib.crc32(name + data)]
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_transparent_gray_value_becomes_white(decode, bits):
    values = np.random.default_rng(0).integers(0, 2**bits, (6, 5, 1))
    hidden = int(values[2, 3, 0])
    contents = png(values, bits, 0, (b"tRNS", struct.pack(">H", hidden)))
    gray = values * 65535 // (2**bits - 1) >> 8
    expected = np.where(values == hidden, 255, gray).repeat(3, axis=-1)
    np.testing.assert_array_equal(decode(contents), expected)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_transparent_rgb_colour_becomes_white(decode, bits):
    values = np.random.default_rng(0).integers(0, 2**bits, (6, 5, 3))
    hidden = values[2, 3]
    values[4, 1] = hidden ^ 1  # Not quite that colour.
    contents = png(values, bits, 2, (b"tRNS", struct.pack(">HHH", *hidden)))
    same = (values == hidden).all(-1, keepdims=True)
    expected = np.where(same, 255, values >> (bits - 8))
    assert same.sum() == 1
    np.testing.assert_array_equal(decode(contents), expected)


@pytest.mark.parametrize("colour_type, channels", [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_of_any_kind_lose_their_low_byte(colour_type, channels):
    values = np.random.default_rng(0).integers(0, 2**16, (6, 5, channels))
    decoded = decode_picture(png(values, 16, colour_type))
    np.testing.assert_array_equal(decoded, values >> 8)


def test_sixteen_bits_that_become_almost_black_are_named(tmp_path, caplog):
    (tmp_path / "scan.png").write_bytes(png(np.full((4, 5, 1), 4095), 16, 0))
    (tmp_path / "next.png").write_bytes(png(np.full((4, 5, 1), 4095), 16, 0))
    with caplog.at_level(logging.WARNING):
        assert np.max(read_picture(f"{tmp_path}/scan.png")) == 15
        read_picture(f"{tmp_path}/next.png")
    assert f"{tmp_path}/scan.png: its 16-bit values go up to 4095 of 65535" in (
        caplog.text
    )
    assert "next.png" not in caplog.text  # One for each folder.
    caplog.clear()
    decode_picture(png(np.full((4, 5, 4), (9, 0, 0, 65535)), 16, 6), "of RGBA")
    assert "of RGBA: its 16-bit values go up to 9 of" in caplog.text


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(decode, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    contents = encoded(SMOOTH, kind, exif=exif, **options)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(contents))).convert("RGB")
    np.testing.assert_array_equal(decode(contents), expected)
    np.testing.assert_array_equal(decode_picture(contents), expected)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_changes_nothing(decode, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(decode(encoded(SMOOTH, "PNG", exif=exif)), SMOOTH)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_exif_that_is_damaged_changes_nothing(decode):
    contents = encoded(SMOOTH, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\xff\x01\x12")
    np.testing.assert_array_equal(decode(contents), with_pillow(contents))
    contents = encoded(SMOOTH, "JPEG", exif=b"Exif\0\0garbage")
    assert decode(contents).shape == SMOOTH.shape


def with_bad_profile(jpeg):
    """With an ICC profile that is too short for Pillow; libjpeg does not look at it."""
    return jpeg[:20] + b"\xff\xe2\0\x0eICC_PROFILE\0" + jpeg[20:]


def test_a_jpeg_that_pillow_refuses_is_read_as_before(decode):
    whole = encoded(SMOOTH, "JPEG")
    contents = with_bad_profile(whole)
    with pytest.raises(OSError):
        Image.open(io.BytesIO(contents))
    np.testing.assert_array_equal(decode(contents), with_pillow(whole))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_eager_and_graph_mode_are_the_same(decode, kind):
    contents = encoded(SMOOTH, kind)
    np.testing.assert_array_equal(decode_picture(contents), decode(contents))
    for function in (decode, decode_picture):
        with pytest.raises(tf.errors.OpError):
            function(contents[: len(contents) // 2])
    tf.config.run_functions_eagerly(True)
    try:
        eager = decode_picture(contents)
    finally:
        tf.config.run_functions_eagerly(False)
    np.testing.assert_array_equal(eager, decode(contents))


def huge(kind):
    """A small file that says it is of 60,000 x 60,000 pixels."""
    if kind == "PNG":
        whole = png(np.zeros((1, 1, 1), int), 8, 0)
        header = b"IHDR" + struct.pack(">II", 60_000, 60_000) + whole[24:29]
        crc = struct.pack(">I", zlib.crc32(header))
        return whole[:12] + header + crc + whole[33:]
    contents = bytearray(encoded(SMOOTH, kind))
    if kind == "JPEG":
        place = contents.index(b"\xff\xc0") + 5
        contents[place : place + 4] = struct.pack(">HH", 60_000, 60_000)
    elif kind == "GIF":
        contents[6:10] = struct.pack("<HH", 60_000, 60_000)
    else:
        contents[18:26] = struct.pack("<ii", 60_000, 60_000)
    return bytes(contents)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
def test_a_decompression_bomb_is_one_clear_line(kind):
    with pytest.raises(tf.errors.OpError, match="3600000000 pix|60,000 x 60,000 pix"):
        decode_picture(huge(kind))
    if kind == "JPEG":  # Pillow does not read its header.
        with pytest.raises(tf.errors.OpError, match="60,000 x 60,000 pixels"):
            decode_picture(with_bad_profile(huge(kind)))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_damage_anywhere_is_an_error_or_an_image(kind):
    """Nothing else: no crash, no endless loop."""
    whole = encoded(SMOOTH, kind)
    random = np.random.default_rng(0)
    for _ in range(40):
        contents = bytearray(whole)
        for place in random.integers(0, len(whole), 3):
            contents[place] = random.integers(256)
        try:
            assert decode_picture(bytes(contents)).dtype == tf.uint8
        except tf.errors.OpError:
            pass


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(tf.errors.OpError, match="not a regular file"):
        read_picture(f"{tmp_path}/pipe.png")
    with open(tmp_path / "huge.png", "wb") as file:
        file.truncate(2**40)  # It takes no room on the disk.
    with pytest.raises(tf.errors.OpError, match="1,099,511,627,776 bytes"):
        read_picture(f"{tmp_path}/huge.png")
    with pytest.raises(tf.errors.OpError, match="No such file"):
        read_picture(f"{tmp_path}/none.png")
    (tmp_path / "a.bmp").write_bytes(encoded(SMOOTH, "BMP") + b"\0\0\0")
    np.testing.assert_array_equal(read_picture(f"{tmp_path}/a.bmp"), SMOOTH)


@pytest.mark.parametrize("contents", [b"", b"x", b"<html>Not found</html>"])
def test_what_is_no_picture_is_an_error(decode, contents):
    with pytest.raises(tf.errors.OpError):
        decode(contents)
    assert not looks_like_picture(contents)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_picture_files_are_recognised_by_their_first_bytes(kind):
    assert looks_like_picture(encoded(SMOOTH, kind)[:4])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_process_ends_while_a_pipeline_is_at_work(tmp_path, kind):
    """Its iterator is a global name, so that it is there until the end."""
    for index in range(9):
        pixels = random_pixels(400, 500, 3, seed=index)
        (tmp_path / f"{index}.png").write_bytes(encoded(pixels, kind))
    program = f"""
from sagan_tf import data
source = data.open_source("folder:{tmp_path}")
batches = iter(data.make_dataset(source, resolution=32, image_channels=3,
                                 batch_size=9, seed=0, cache_bytes=0))
next(batches)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=100)
