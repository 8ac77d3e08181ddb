"""Values of flags that several commands share: numbers, labels, steps, points."""

import math
import re

from sagan_tf.errors import BadInput


def parse_numbers(text, name):
    """Reads numbers and ranges: `"3,7,10-12"` is 3, 7, 10, 11, 12.

    Args:
        text: str.
        name: str, the flag it comes from.

    Returns:
        List of ints >= 0, not empty.

    Raises:
        BadInput: the text is something else.
    """
    numbers = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
            raise BadInput(
                f"{name} must be numbers and rising ranges with commas. "
                f"Received: {text!r}. Try --{name}=0-7 or --{name}=3,5."
            )
        numbers += range(int(first), int(last) + 1)
    return numbers


def parse_step(text):
    """Reads the step of a checkpoint: `"newest"`, `"best"`, or an int."""
    if text in ("newest", "best") or text.isdecimal():
        return text
    raise BadInput(
        f"checkpoint must be newest, best or the number of a step. Received: {text!r}. "
        "Try --checkpoint=newest."
    )


def parse_labels(text, num_classes):
    """Reads labels: numbers and ranges, or `"all"`.

    Args:
        text: str, or `None` for no labels.
        num_classes: int, 0 for an unconditional model.

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
    labels = range(num_classes) if text == "all" else parse_numbers(text, "labels")
    wrong = [label for label in labels if label >= num_classes]
    if wrong:
        raise BadInput(
            f"labels must be below {num_classes}, the number of classes. "
            f"Received: {wrong[0]}. Try --labels=all."
        )
    return list(labels)


def parse_truncations(text):
    """Reads truncations, with commas: numbers, or `none`.

    Args:
        text: str, or `None`, which is `"none"`.

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
    if not all(value is None or 0 <= value < math.inf for value in truncations):
        raise BadInput(
            "truncation must be a number from 0 on or none, or several with commas. "
            f"Received: {text!r}. Try --truncation=0.5 or --truncation=0.2,0.5,1,none."
        )
    return truncations


# As many as there are colours that everybody can tell apart.
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
        re.fullmatch(r"(\d+)\s*,\s*(\d+)", part.strip()) for part in text.split(";")
    ]
    if not all(matches) or len(matches) > MOST_QUERIES:
        raise BadInput(
            f"queries must be auto or up to {MOST_QUERIES} points x,y with semicolons, "
            f"in pixels of the image. Received: {text!r}. Try --queries=auto or "
            '--queries="8,8;20,12".'
        )
    return [(int(match[1]), int(match[2])) for match in matches]
