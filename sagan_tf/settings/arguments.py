"""Values of flags that several commands share: numbers, labels, steps, points."""

import difflib
import math
import re

from sagan_tf.errors import BadInput
from sagan_tf.settings.checks import MOST_WHOLE

# Each number gives one image or more.
MOST_NUMBERS = 100_000
# Networks return NaN for larger values. Papers use 0 to 2.
MOST_TRUNCATION = 100
# Help of --standing_batches.
STANDING = "batches that measure the statistics of batch norm again; 0: moving averages"


def check_companions(given, companions):
    """Refuses flags that have no effect without another one.

    Args:
        given: dict of the name of each given flag to the received text, such as
            `"--seed=3"`.
        companions: dict of the name of a flag to the flags of which it needs one.

    Raises:
        BadInput: a flag is given without any of the flags that it needs.
    """
    for name, others in companions.items():
        if name in given and not set(others) & set(given):
            raise BadInput(
                f"--{name} goes with {' or '.join(f'--{other}' for other in others)}. "
                f"Received: {given[name]} alone. Try both, or neither."
            )


def parse_numbers(text, name):
    """Reads numbers and ranges: `"3,7,10-12"` is 3, 7, 10, 11, 12.

    Args:
        text: str.
        name: str, the flag that the text comes from.

    Returns:
        List of ints >= 0, not empty.

    Raises:
        BadInput: the text is something else, a number is not an int32, or there are
            more than `MOST_NUMBERS`.
    """
    numbers = []
    for part in text.split(","):
        start, dash, end = part.strip().partition("-")
        first, last = _whole(start), _whole(end if dash else start)
        if first is None or last is None or first > last:
            raise BadInput(
                f"{name} must be numbers and rising ranges with commas, from 0 to "
                f"{MOST_WHOLE}. Received: {text!r}. Try --{name}=0-7 or "
                f"--{name}=3,5."
            )
        if len(numbers) + last - first >= MOST_NUMBERS:
            raise BadInput(
                f"{name} must be at most {MOST_NUMBERS} numbers. Received: "
                f"{text!r}. Try --{name}=0-63."
            )
        numbers += range(first, last + 1)
    return numbers


def _whole(text):
    """Returns a text as an int32 of at least 0, or `None` if it is not."""
    is_number = text.isdecimal() and len(text) <= len(str(MOST_WHOLE))
    return int(text) if is_number and int(text) <= MOST_WHOLE else None


def parse_step(text):
    """Reads the step of a checkpoint: `"newest"`, `"best"`, or an int."""
    if text in ("newest", "best") or _whole(text) is not None:
        return text
    raise BadInput(
        "checkpoint must be newest, best or the number of a step. Received: "
        f"{text!r}. Try --checkpoint=newest."
    )


def parse_labels(text, num_classes, class_names=()):
    """Reads labels: numbers and ranges, or `"all"`.

    Args:
        text: str, or `None` for no labels.
        num_classes: int, 0 for an unconditional model.
        class_names: `num_classes` str, if they are known. The message for a name gives
            its label.

    Returns:
        List of ints.

    Raises:
        BadInput: a label is out of range, or the model has no classes.
    """
    if text is None:
        return []
    if not num_classes:
        raise BadInput(
            f"This model is unconditional. Received: labels={text}. "
            "Try without --labels."
        )
    if text == "all":
        return list(range(num_classes))
    numbers = _labels_of_names(text, class_names)
    if numbers:
        raise BadInput(
            f"labels must be the numbers of classes. Received: {text!r}. Try "
            f"--labels={','.join(map(str, numbers))}, which is "
            f"{', '.join(class_names[number] for number in numbers)}."
        )
    labels = parse_numbers(text, "labels")
    wrong = [label for label in labels if label >= num_classes]
    if wrong:
        raise BadInput(
            f"labels must be below {num_classes}, the number of classes. "
            f"Received: {wrong[0]}. Try --labels=all."
        )
    return labels


def _labels_of_names(text, class_names):
    """Returns the labels of the names in a text, even if misspelled: list of ints."""
    places = {
        name.lower(): label for label, name in reversed([*enumerate(class_names)])
    }
    labels = []
    for part in text.lower().split(","):
        if not re.fullmatch(r"[\d\s-]*", part):
            near = difflib.get_close_matches(part.strip(), places, 1)
            labels += [places[name] for name in near]
    return labels


def parse_truncations(text):
    """Reads truncations, with commas: numbers, or `none`.

    Args:
        text: str, or `None`, which means `"none"`.

    Returns:
        List of floats and `None`, see `latents.draw_z`.

    Raises:
        BadInput: the text is something else.
    """
    parts = (text or "none").lower().split(",")
    try:
        truncations = [None if p.strip() == "none" else float(p) for p in parts]
    except ValueError:
        truncations = [math.nan]
    if not all(value is None or 0 <= value <= MOST_TRUNCATION for value in truncations):
        raise BadInput(
            f"truncation must be a number from 0 to {MOST_TRUNCATION} or none, or "
            f"several with commas. Received: {text!r}. Try --truncation=0.5 or "
            "--truncation=0.2,0.5,1,none."
        )
    return truncations


# The number of colors that everybody can tell apart.
MOST_QUERIES = 7


def parse_queries(text):
    """Reads query points: `"12,20;3,4"` is [(12, 20), (3, 4)].

    Args:
        text: str, pixels x,y from the upper left corner, with semicolons; or `"auto"`.

    Returns:
        List of (x, y), or `None` for `"auto"`.

    Raises:
        BadInput: the text is something else, or has too many points.
    """
    if text.strip() == "auto":
        return None
    matches = [
        re.fullmatch(r"(\d{1,9})\s*,\s*(\d{1,9})", part.strip())
        for part in text.split(";")
    ]
    if not all(matches) or len(matches) > MOST_QUERIES:
        raise BadInput(
            f"queries must be auto or up to {MOST_QUERIES} points x,y with semicolons, "
            f"in pixels of the image. Received: {text!r}. Try --queries=auto or "
            '--queries="8,8;20,12".'
        )
    return [(int(match[1]), int(match[2])) for match in matches]
