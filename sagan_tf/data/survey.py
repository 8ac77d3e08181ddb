"""Describes a folder of images, what it means for a training, and what to try."""

import collections
import os

import numpy as np
from PIL import Image

from sagan_tf.data.decoding import PICTURE_DAMAGE
from sagan_tf.files import sha256_of_file
from sagan_tf.progress import progress_bar

# The most headers to read. In a larger folder they are evenly spread.
_MOST_HEADERS = 10_000
# The most files to compare in the search for duplicates.
_MOST_FILES = 100_000
_NAMED = 3
# The discriminator memorizes a class with fewer images.
_FEW_OF_A_CLASS = 50
_IMBALANCE = 4.0
# The share of enlarged images above which a line mentions them.
_MANY_ENLARGED = 0.1
# Images, and the preset for fewer than that.
_PRESETS = ((2_000, "few_images"), (20_000, "thousands"))
_MODES = {
    "RGB": "RGB",
    "RGBA": "RGB with transparency",
    "L": "gray",
    "LA": "gray with transparency",
    "P": "palette",
    "1": "black and white",
    "CMYK": "CMYK",
    "I;16": "gray, 16 bits",
    "I": "gray, 16 bits",
}


def survey_folder(source, resolution):
    """Looks at the files of a folder data set without decoding them.

    Args:
      source: a `Source` of `open_folder`.
      resolution: R, the side that images will have.

    Returns:
      dictionary: `num_images`, `resolution`; `counts`, from class to images;
      `looked_at`, images whose header was read; `sizes`, the `smallest`, `median` and
      `largest` shorter side and `different`, the number of different sizes; `modes`,
      from words to images; `enlarged`, images with a shorter side than R; `duplicates`,
      files with the bytes of another file, and `same`, pairs of them; `unreadable`,
      paths.
    """
    kept = np.flatnonzero(source.kept)
    chosen = kept
    if len(kept) > _MOST_HEADERS:
        chosen = kept[np.linspace(0, len(kept) - 1, _MOST_HEADERS).round().astype(int)]
    sizes, modes, unreadable = [], collections.Counter(), []
    with progress_bar("Looking at images", len(chosen)) as progress:
        for index in chosen:
            progress.update()
            try:
                with Image.open(source.values[index]) as image:
                    sizes.append(image.size)
                    modes[_MODES.get(image.mode, image.mode)] += 1
            except PICTURE_DAMAGE:
                unreadable.append(source.values[index])
    sides = sorted(min(size) for size in sizes)
    same = _duplicates([source.values[index] for index in kept[:_MOST_FILES]])
    counts = np.bincount(source.labels[kept], minlength=max(source.num_classes, 1))
    names = source.class_names or ("all",)
    return {
        "num_images": len(kept),
        "resolution": resolution,
        "counts": dict(zip(names, counts.tolist())),
        "looked_at": len(chosen),
        "sizes": {
            "smallest": sides[0] if sides else 0,
            "median": sides[len(sides) // 2] if sides else 0,
            "largest": sides[-1] if sides else 0,
            "different": len(set(sizes)),
        },
        "modes": dict(modes.most_common()),
        "enlarged": sum(side < resolution for side in sides),
        "duplicates": len(same),
        "same": same[:_NAMED],
        "unreadable": unreadable[:_NAMED],
    }


def _duplicates(paths):
    """Returns pairs of an earlier path and one with the same bytes: list of lists."""
    by_size = collections.defaultdict(list)
    for path in paths:
        try:
            by_size[os.path.getsize(path)].append(path)
        except OSError:  # The reader will name the file.
            continue
    pairs = []
    for group in by_size.values():
        first = {}
        for path in group if len(group) > 1 else ():
            digest = sha256_of_file(path)
            if digest in first:
                pairs.append([first[digest], path])
            first.setdefault(digest, path)
    return pairs


def describe(survey):
    """Describes a survey: list of lines."""
    counts, sizes = survey["counts"], survey["sizes"]
    lines = [f"{survey['num_images']:,} images"]
    if len(counts) > 1:
        small = min(counts, key=counts.get)
        least, most = counts[small], max(counts.values())
        lines[0] += f" in {len(counts)} classes of {least:,}"
        if most > least:
            lines[0] += f" to {most:,}; the smallest is {small}"
    seen = survey["looked_at"]
    of_them = "" if seen == survey["num_images"] else f"of {seen:,} of them: "
    lines.append(
        f"{of_them}{sizes['different']:,} different sizes, shorter side "
        f"{sizes['smallest']:,} to {sizes['largest']:,} pixels, half of them up to "
        f"{sizes['median']:,}"
    )
    modes = (f"{count:,} {name}" for name, count in survey["modes"].items())
    lines.append(f"colors: {', '.join(modes)}")
    return lines


def meaning(survey, balanced=False, skipping=False, augmented=False):
    """Returns what a survey means and what to try: list of lines, empty if all is well.

    Args:
      survey: of `survey_folder`.
      balanced, skipping, augmented: bool, whether the run balances classes, skips bad
        images and augments.
    """
    counts, resolution = survey["counts"], survey["resolution"]
    lines = []
    few = [name for name, count in counts.items() if count < _FEW_OF_A_CLASS]
    if few:
        remedy = "Add images"
        remedy += "." if augmented else ", or try --flagfile=configs/few_images.flags."
        lines.append(
            f"{_some(few)} {'has' if len(few) == 1 else 'have'} fewer than "
            f"{_FEW_OF_A_CLASS} images: the discriminator memorizes them, and the "
            f"generator repeats them. {remedy}"
        )
    least, most = (find(counts.values(), default=0) for find in (min, max))
    if most > _IMBALANCE * least and not balanced:
        lines.append(
            f"The largest class has more than {_IMBALANCE:.0f} times as many images as "
            "the smallest class, which is seen rarely. Try --balance_classes."
        )
    enlarged, seen = survey["enlarged"], survey["looked_at"]
    if enlarged > _MANY_ENLARGED * seen:
        lines.append(
            f"{enlarged:,} of {seen:,} images are smaller than {resolution} pixels and "
            "are enlarged, which blurs them. Try a smaller --resolution, or leave them "
            "out."
        )
    modes = survey["modes"]
    if any("transparency" in name for name in modes):
        lines.append("Transparent parts become white.")
    if survey["same"]:
        first, second = survey["same"][0]
        lines.append(
            f"{survey['duplicates']:,} files have the bytes of another file ({second} "
            f"of {first}): their images are seen more often. Try removing them."
        )
    if survey["unreadable"]:
        first = survey["unreadable"][0]
        end = "It is left out." if skipping else "Try --skip_bad_images."
        lines.append(f"{first} cannot be read as an image. {end}")
    return lines


def advised_preset(survey):
    """Returns the name of the flagfile in configs/ for this number of images: str."""
    count = survey["num_images"]
    return next((name for most, name in _PRESETS if count < most), "folder")


def _some(names):
    more = len(names) - _NAMED
    shown = ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    return "Your data set" if names == ["all"] else shown
