"""From the tensors of a foreign checkpoint to the variables of our networks.

An importer says where each of our variables comes from. This module checks that no
tensor is left over, none is missing and every shape fits, before anything is written.
"""

import dataclasses
import re

import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.progress import progress_bar

# Names that an error lists before it gives only their number.
_LISTED = 3


class Weight:
    """Where one of our variables comes from.

    Args:
        names: str, tensors of the source. One tensor may be used for several variables.
        convert: function of their arrays, in that order, that returns ours; without it
            one tensor is taken as it is.
    """

    def __init__(self, *names, convert=np.asarray):
        self.names, self._convert = names, convert

    def value(self, tensors):
        """The float32 array for our variable, from a dict of name to array."""
        arrays = [np.asarray(tensors[name]) for name in self.names]
        return np.asarray(self._convert(*arrays), np.float32)


@dataclasses.dataclass
class Translation:
    """What an importer has found out about a checkpoint.

    Args:
        fields: dict of `Config` field to value: what the weights are. A flag that
            contradicts them is an error.
        networks: dict of `"generator"` (always there), `"discriminator"` and
            `"ema_generator"` to a function that takes the name of one of our variables,
            see `networks/variable_names.py`, and returns its `Weight`. With an
            `ema_generator`, `fields` has an `ema_decay`.
        settings: dict of `Config` field to value: how the source was trained, as far as
            that is known. Flags change it.
        step: int, generator updates that the weights have seen.
        notes: list of str, sentences for the user: what was assumed, what differs.
        ignored: dict of tensor name to the reason why it is not needed.
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
            reasons: dict of regular expression to str, what they are: "moments of
                Adam". The first that matches counts.
        """
        for pattern, reason in reasons.items():
            for name in tensors:
                if re.fullmatch(pattern, name):
                    self.ignored.setdefault(name, reason)


def shape_of(tensors, name, rank, what):
    """The shape of a tensor that tells something about the networks.

    Args:
        tensors: dict of name to array.
        name: str.
        rank: int, the number of axes that it must have.
        what: str, what it tells: "the number of classes".

    Returns:
        Tuple of ints.

    Raises:
        BadInput: it is not there, or has another number of axes.
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
    """The values of all our variables.

    Args:
        tensors: dict of name to array.
        networks: dict of network to a dict of our variable's name to its `Weight`.
        variables: the same with the variables in place of the weights.
        ignored: names of tensors that are not needed.

    Returns:
        Dict of network to a dict of our variable's name to its array, float32.

    Raises:
        BadInput: tensors are missing or left over, have other shapes, or values that
            are not finite.
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
    """The array for a variable, or `None` if the tensors have an unusable shape."""
    try:
        return weight.value(tensors)
    except (ValueError, IndexError):
        # NumPy's: too few or too many axes to be transposed, cut or multiplied.
        return None


def _complain(problems):
    """Raises if a dict of what is wrong to names has names."""
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
