"""Turns the tensors of a foreign checkpoint into the variables of our networks.

An importer says where each of our variables comes from. Before anything is written,
this module checks that no tensor is left over, none is missing and every shape fits.
"""

import dataclasses
import re

import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.progress import progress_bar

# An error lists at most this many names, and the number of the others.
_LISTED = 3


class Weight:
    """Where one of our variables comes from.

    Args:
        names: str, tensors of the source. Several variables may use the same tensor.
        convert: function from their arrays, in that order, to ours. Without it, one
            tensor is used unchanged.
    """

    def __init__(self, *names, convert=np.asarray):
        self.names, self._convert = names, convert

    def value(self, tensors):
        """Returns our variable's float32 array from a dict of name to array."""
        arrays = [np.asarray(tensors[name]) for name in self.names]
        return np.asarray(self._convert(*arrays), np.float32)


@dataclasses.dataclass
class Translation:
    """What an importer knows about a checkpoint.

    Args:
        fields: dict of `Config` field to value: properties of the weights. A flag that
            contradicts them is an error.
        networks: dict of `"generator"` (always there), `"discriminator"` and
            `"ema_generator"` to a function that takes the name of one of our variables,
            see `networks/variable_names.py`, and returns its `Weight`. With an
            `ema_generator`, `fields` has an `ema_decay`.
        settings: dict of `Config` field to value: how the source was trained, as far as
            that is known. Flags override it.
        step: int, number of generator updates of the weights.
        notes: list of str, sentences for the user about assumptions and differences.
        ignored: dict of tensor name to the reason why it is unnecessary.
    """

    fields: dict
    networks: dict
    settings: dict
    step: int = 0
    notes: list = dataclasses.field(default_factory=list)
    ignored: dict = dataclasses.field(default_factory=dict)

    def ignore(self, tensors, reasons):
        """Ignores the tensors whose whole name matches a regular expression.

        Args:
            tensors: iterable of str, names.
            reasons: dict of regular expression to str, what the tensors are: "moments
                of Adam". The first match counts.
        """
        for pattern, reason in reasons.items():
            for name in tensors:
                if re.fullmatch(pattern, name):
                    self.ignored.setdefault(name, reason)


def shape_of(tensors, name, rank, what):
    """Returns the shape of a tensor that tells something about the networks.

    Args:
        tensors: dict of name to array.
        name: str.
        rank: int, the number of axes that it must have.
        what: str, what it tells: "the number of classes".

    Returns:
        Tuple of ints.

    Raises:
        BadInput: the tensor is missing, or has another number of axes.
    """
    shape = np.shape(tensors[name]) if name in tensors else None
    if shape is None or len(shape) != rank:
        received = f"{len(tensors)} tensors without it" if shape is None else shape
        raise BadInput(
            f"The checkpoint must have the tensor {name}, which tells {what}, of "
            f"{rank} axes. Received: {received}. Nothing was written."
        )
    return shape


def convert(tensors, networks, variables, ignored=()):
    """Returns the values of all our variables.

    Args:
        tensors: dict of name to array.
        networks: dict of network to a dict of our variable's name to its `Weight`.
        variables: the same, with variables instead of `Weight` objects.
        ignored: names of unnecessary tensors.

    Returns:
        Dict of network to a dict of our variable's name to its array, float32.

    Raises:
        BadInput: tensors are missing or left over, or have other shapes, or values
            that are not finite.
    """
    weights = [
        (variables[network][ours], network, ours, weight)
        for network, named in networks.items()
        for ours, weight in named.items()
    ]
    used = dict.fromkeys(name for *_, weight in weights for name in weight.names)
    missing = [name for name in used if name not in tensors]
    left = [name for name in tensors if name not in used and name not in ignored]
    unknown = [f"{name} {np.shape(tensors[name])}" for name in left]
    _complain({"missing": missing, "unknown": unknown})
    values, wrong, broken = {network: {} for network in networks}, [], []
    with progress_bar("Translating", len(weights), unit="variables") as bar:
        for variable, network, ours, weight in weights:
            value, shape = _value(weight, tensors), tuple(variable.shape)
            sources = (f"{n} {np.shape(tensors[n])}" for n in weight.names)
            received = ", ".join(sources)
            if value is None or value.shape != shape:
                wrong.append(f"{received} for {ours} {shape}")
            elif not np.all(np.isfinite(value)):
                broken.append(received)
            values[network][ours] = value
            bar.update()
    _complain({"of another shape": wrong, "not finite": broken})
    return values


def _value(weight, tensors):
    """Returns the array for a variable, or `None` if a shape cannot be used."""
    try:
        return weight.value(tensors)
    except (ValueError, IndexError):
        # From NumPy: the number of axes does not fit the conversion.
        return None


def _complain(problems):
    """Raises `BadInput` if a dict of problem to names has any names."""
    phrases = []
    for what, names in problems.items():
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        if names:
            phrases.append(f"{len(names)} {what}: {', '.join(names[:_LISTED])}{more}")
    if phrases:
        raise BadInput(
            "The tensors of the checkpoint must be exactly those of the networks. "
            f"Received: {'; '.join(phrases)}. Nothing was written."
        )
