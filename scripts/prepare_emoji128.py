"""Makes a data set of 128-pixel images from the Noto Color Emoji font of Debian.

  apt-get install fonts-noto-color-emoji unicode-data libfribidi0
  python scripts/prepare_emoji128.py --output=data/emoji128.npz
  python -m sagan_tf.train --flagfile=configs/emoji128.flags \\
      --dataset=npz:data/emoji128.npz --workdir=runs/emoji128

The data set has several thousand images on white, labeled with the nine groups of
Unicode's emoji-test.txt. The font is under the SIL Open Font License 1.1: train on the
images, but do not commit them here.
"""

import argparse
import collections
import os
import re
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from sagan_tf.errors import BAD_INPUT, BadInput
from sagan_tf.files import replacing

# The font has bitmaps of one size: 136 x 128 pixels, at 109 pixels per em.
_FONT_SIZE, _WIDTH, _SIDE = 109, 136, 128
_SKIN_TONES = {chr(code) for code in range(0x1F3FB, 0x1F400)}

Emoji = collections.namedtuple("Emoji", "text group subgroup name")


def read_emoji_test(lines):
    """Yields the fully-qualified emoji of emoji-test.txt, in its order."""
    group = subgroup = None
    entry = re.compile(r"([0-9A-F ]+?) *; fully-qualified *# \S+ E\d+\.\d+ (.+)")
    for line in lines:
        if line.startswith("# group: "):
            group = line.removeprefix("# group: ").strip()
        elif line.startswith("# subgroup: "):
            subgroup = line.removeprefix("# subgroup: ").strip()
        elif match := entry.match(line):
            text = "".join(chr(int(code, 16)) for code in match[1].split())
            yield Emoji(text, group, subgroup, match[2].strip())


def draw(font, text):
    """Draws one emoji: uint8 (128, 128, 3) on white; None if the font lacks it."""
    if round(font.getlength(text)) != _WIDTH:  # The font has no glyph for it.
        return None
    canvas = Image.new("RGB", (_WIDTH, _SIDE), "white")
    ImageDraw.Draw(canvas).text((0, 0), text, font=font, embedded_color=True)
    image = np.asarray(canvas)
    if image.min() == 255:  # Nothing was drawn.
        return None
    margin = (_WIDTH - _SIDE) // 2
    return image[:, margin : margin + _SIDE]


def load_font(path):
    """Opens the font.

    Raises:
      BadInput: the font is missing or another one, or Pillow cannot draw with it.
    """
    if not features.check("raqm") or not features.check("fribidi"):
        raise BadInput(
            "Pillow cannot join code points into one emoji: Raqm or FriBiDi is "
            "missing. Try: apt-get install libfribidi0, and Pillow from PyPI."
        )
    try:
        return ImageFont.truetype(path, _FONT_SIZE, layout_engine=ImageFont.Layout.RAQM)
    except OSError as error:
        raise BadInput(
            f"{path} cannot be opened as a font of {_FONT_SIZE} pixels: {error}. Try: "
            "apt-get install fonts-noto-color-emoji, or --font=FILE."
        ) from error


def build(font, emoji):
    """Draws all emoji; returns the arrays of the .npz file."""
    drawn = [
        (each, image) for each in emoji if (image := draw(font, each.text)) is not None
    ]
    if not drawn:
        raise BadInput("The font has none of the emoji. Try --font=FILE.")
    entries = [each for each, _ in drawn]
    groups = list(dict.fromkeys(each.group for each in entries))
    subgroups = list(dict.fromkeys(f"{each.group}/{each.subgroup}" for each in entries))
    return {
        "images": np.stack([image for _, image in drawn]),
        "labels": np.array([groups.index(each.group) for each in entries]),
        "sublabels": np.array(
            [subgroups.index(f"{each.group}/{each.subgroup}") for each in entries]
        ),
        "skin_tone": np.array([bool(_SKIN_TONES & set(each.text)) for each in entries]),
        "class_names": np.array(groups),
        "subclass_names": np.array(subgroups),
        "names": np.array([each.name for each in entries]),
        "codepoints": np.array(
            [" ".join(f"{ord(c):X}" for c in each.text) for each in entries]
        ),
    }


def leave_out_skin_tones(arrays):
    """Removes images that differ from another one only in skin color."""
    plain = ~arrays["skin_tone"]
    return {
        key: array[plain] if len(array) == len(plain) else array
        for key, array in arrays.items()
    }


def parse_arguments():
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--font",
        default="/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
        help="the font (default: %(default)s)",
    )
    parser.add_argument(
        "--emoji_test",
        default="/usr/share/unicode/emoji/emoji-test.txt",
        help="Unicode's list (default: %(default)s)",
    )
    parser.add_argument(
        "--output", default="data/emoji128.npz", help="default: %(default)s"
    )
    parser.add_argument(
        "--without_skin_tones",
        action="store_true",
        help="leave out images that differ from another one only in skin color",
    )
    return parser.parse_args()


def main():
    """Runs the command."""
    arguments = parse_arguments()
    try:
        font = load_font(arguments.font)
        with open(arguments.emoji_test, encoding="utf-8") as file:
            arrays = build(font, read_emoji_test(file))
        if arguments.without_skin_tones:
            arrays = leave_out_skin_tones(arrays)
        os.makedirs(os.path.dirname(arguments.output) or ".", exist_ok=True)
        with replacing(arguments.output) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **arrays)
    except FileNotFoundError as error:
        print(f"{error}. Try: apt-get install unicode-data.", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except (BadInput, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(BAD_INPUT)
    counts = np.bincount(arrays["labels"])
    for name, count in zip(arrays["class_names"], counts, strict=True):
        print(f"{count:6} {name}")
    print(f"Wrote {arguments.output}: {counts.sum()} images.")


if __name__ == "__main__":
    main()
