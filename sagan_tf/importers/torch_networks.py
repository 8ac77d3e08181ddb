"""Finds sizes and layer names of our networks in those of PyTorch projects.

The networks of these projects have the form of ours, with other names: a linear layer
(or a first block), numbered blocks with attention between them, and a last layer.
"""

import dataclasses
import re

import numpy as np

from sagan_tf.errors import BadInput
from sagan_tf.importers.torch_layers import (
    CONVOLUTION,
    EMBEDDING,
    LINEAR,
    LINEAR_TO_MAP,
    Layer,
    Layers,
    Layout,
)
from sagan_tf.importers.translation import Translation, Weight
from sagan_tf.networks.builders import DISCRIMINATOR_BLOCKS, GENERATOR_WIDTHS

# Unnecessary tensors, and what they are.
_NOT_NEEDED = {
    r"meta\..*": "the config, and the number of iterations",
    r".*\.num_batches_tracked": "counters of batches",
    r".*\.sv0": "the last sigma, for a log",
}


@dataclasses.dataclass(frozen=True)
class Names:
    """A project's names for the parts of its networks, after the network's prefix.

    The names of a block's parts follow the block's name.
    """

    # Prefix of all names for "generator", "ema_generator" and "discriminator".
    prefixes: dict
    # Regular expression for the names of blocks and attention layers. The numbers in a
    # name tell the order.
    blocks: str
    # A block's first and second convolution and its shortcut.
    convolutions: tuple[str, ...]
    # Query, key, value, output and gamma.
    attention: tuple[str, ...]
    # The generator's first layer, last convolution and last batch normalization.
    linear: str
    image_convolution: str
    image_norm: str
    # A generator block's two batch normalizations; their gain and bias by class.
    norms: tuple[str, ...]
    class_tables: tuple[str, ...]
    # The discriminator's last layer and its embedding of classes.
    last_linear: str = ""
    embedding: str = ""
    # Layouts of the discriminator's first convolutions and the generator's last one.
    from_image: Layout = CONVOLUTION
    to_image: Layout = CONVOLUTION
    # Before "mean" and "var" in the names of moving averages.
    statistics: str = "running_"
    # Suffixes of a name of `norms`: `plain_norm` for all variables without classes,
    # `class_norm` for moving averages with classes.
    plain_norm: str = ""
    class_norm: str = ""
    table_layout: Layout = EMBEDDING
    gains_from_one: bool = True  # True if gamma is 1 + gain.


def generator(tensors, prefix, names):
    """Finds a generator.

    Args:
        tensors: dict of name to array.
        prefix: str, the beginning of the names of the network's tensors.
        names: `Names`.

    Returns:
        Dict of `Config` fields that its shapes tell, and its `Layers`.

    Raises:
        BadInput: its form differs from ours.
    """
    blocks = _blocks(tensors, prefix, names)
    linear = Layer(tensors, f"{prefix}{names.linear}", LINEAR_TO_MAP)
    last = Layer(tensors, f"{prefix}{names.image_convolution}", names.to_image)
    outputs, z_dim = linear.shape(2, "z_dim")
    widths = [outputs // 16, *_widths(tensors, names, blocks)]
    resolution, channels = _find_widths(widths, GENERATOR_WIDTHS, "generator")
    parts = {"linear": linear, "image_convolution": last}
    parts |= _norm("batch_norm", f"{prefix}{names.image_norm}", names)
    norms, attention = {}, {}
    for index, (block, attended) in enumerate(blocks.items()):
        size = 8 * 2**index
        if attended:
            attention[size] = attended
        parts |= _convolutions(tensors, f"block_{size}x{size}", block, names)
        for number, norm in enumerate(names.norms, start=1):
            norms[f"block_{size}x{size}/batch_norm_{number}"] = f"{block}{norm}"
    tables = {
        ours: [Layer(tensors, norm + t, names.table_layout) for t in names.class_tables]
        for ours, norm in norms.items()
    }
    has_classes = any(table.is_there for pair in tables.values() for table in pair)
    after = names.class_norm if has_classes else names.plain_norm
    for ours, norm in norms.items():
        parts |= _norm(ours, norm + after, names, tables[ours] if has_classes else ())
    fields = {
        "resolution": resolution,
        "image_channels": last.shape(4, "the number of image channels")[0],
        "num_classes": _num_classes(tables["block_8x8/batch_norm_1"][0], has_classes),
        "z_dim": z_dim,
        "generator_channels": channels,
        "attention_resolution": tuple(attention),
    }
    return fields, Layers(parts | _attention(tensors, names, attention))


def discriminator(tensors, prefix, names):
    """Finds a discriminator.

    Args, Returns, Raises: see `generator`.
    """
    blocks = _blocks(tensors, prefix, names)
    tables = {
        resolution: [width for width, _ in blocks_of_ours]
        for resolution, blocks_of_ours in DISCRIMINATOR_BLOCKS.items()
    }
    widths = _widths(tensors, names, blocks)
    resolution, channels = _find_widths(widths, tables, "discriminator")
    linear = f"{prefix}{names.last_linear}"
    parts = {"projection_head/linear": Layer(tensors, linear, LINEAR)}
    attention, size, layout = {}, resolution, names.from_image
    for index, (block, attended) in enumerate(blocks.items()):
        parts |= _convolutions(tensors, f"block_{index + 1}", block, names, layout)
        _, halves = DISCRIMINATOR_BLOCKS[resolution][index]
        size, layout = size // (2 if halves else 1), CONVOLUTION
        if attended and not halves:
            raise BadInput(
                "The discriminator's attention must come after a block that halves "
                f"the map. Received: {attended} after another. Our networks have no "
                "such layer; nothing was written."
            )
        if attended:
            attention[size] = attended
    embedding = Layer(tensors, f"{prefix}{names.embedding}", EMBEDDING)
    if embedding.is_there:
        parts["projection_head/embedding"] = embedding
    fields = {
        "resolution": resolution,
        "num_classes": _num_classes(embedding, embedding.is_there),
        "discriminator_channels": channels,
        "discriminator_attention_resolution": tuple(attention),
    }
    return fields, Layers(parts | _attention(tensors, names, attention))


def translate(
    tensors, names, epsilon, ema_decay, ema_start_step=0, relu_in_place=False
):
    """Translates the checkpoint of a PyTorch project.

    Args:
        tensors: dict of name to array.
        names: `Names`.
        epsilon: float, of batch normalization.
        ema_decay, ema_start_step: float and int, of the averaged generator.
        relu_in_place: bool, whether the discriminator's ReLU is in place. Such a
            discriminator is another function, so it is left out.

    Returns:
        `Translation`. If there is only an averaged generator, it becomes the generator.

    Raises:
        BadInput: the networks differ from ours, there is no generator, or they do
            not belong together.
    """
    networks, left_out = {}, None
    for network, prefix in names.prefixes.items():
        if not any(name.startswith(prefix) for name in tensors):
            continue
        if network != "discriminator":
            networks[network] = generator(tensors, prefix, names)
        elif relu_in_place:
            left_out = prefix
        else:
            networks[network] = discriminator(tensors, prefix, names)
    result = translation(tensors, networks, epsilon, ema_decay, ema_start_step)
    if left_out:
        reason = "the discriminator, whose ReLU in place makes it another function"
        result.ignore(tensors, {f"{re.escape(left_out)}.*": reason})
        result.notes.append(f"left out: {reason} (shortcuts see relu(x), ours see x).")
    return result


def translation(tensors, networks, epsilon, ema_decay, ema_start_step=0):
    """Does `translate` for a dict of network to the results of `generator`, ..."""
    fields, networks = {}, dict(networks)
    if "generator" not in networks:
        if "ema_generator" not in networks:
            raise BadInput(
                "The checkpoint must have a generator. Received: a discriminator "
                "alone. Try the generator's file as --input, with this one beside it."
            )
        networks["generator"] = networks.pop("ema_generator")
    for network, (network_fields, _) in networks.items():
        for name, value in network_fields.items():
            if fields.setdefault(name, value) != value:
                raise BadInput(
                    f"The networks of a checkpoint must agree about {name}. Received: "
                    f"{value} in the {network}, {fields[name]} elsewhere. Nothing was "
                    "written."
                )
    layers = {network: layers for network, (_, layers) in networks.items()}
    fields["spectral_norm"], notes = _spectral_norm(layers)
    fields |= {
        "attention_variant": "official",
        "power_iterations": 1,
        "batch_norm_epsilon": epsilon,
        # PyTorch's momentum of 0.1 is the weight of the new value.
        "batch_norm_momentum": 0.9,
        "final_batch_norm_momentum": 0.9,
    }
    settings = {"spectral_norm_stop_gradient": True}
    if "ema_generator" in layers:
        fields["ema_decay"] = ema_decay
        settings["ema_start_step"] = ema_start_step
    step = int(tensors.get("meta.iter", 0))
    result = Translation(fields, layers, settings, step=step, notes=notes)
    result.ignore(tensors, _NOT_NEEDED)
    return result


def _spectral_norm(networks):
    """Returns the field `spectral_norm` for a dict of network to `Layers`, and notes.

    Generators lose spectral normalization, unless all networks of the run can have it.
    """
    if all(layers.normalized for layers in networks.values()):
        return "both", []
    judge = networks.get("discriminator")
    value, folded = "none", "networks are"
    if judge is None or judge.normalized:
        value, folded = "discriminator", "generator is"
    causes = []
    for name, layers in networks.items():
        if layers.source_is_normalized:
            causes += layers.without_u
        if name != "discriminator":
            layers.normalized = False
    note = (
        f"the {folded} stored without spectral normalization, weights divided by the "
        f"source's sigma: {', '.join(causes[:1])} has no spectral normalization there, "
        "or a sigma that ours cannot have. Images and logits are the source's."
    )
    return value, [note] if causes else []


def _blocks(tensors, prefix, names):
    """Returns a dict of block name to the name of the attention after it, or `None`."""
    pattern = re.escape(prefix) + names.blocks
    parts = {match[0] for name in tensors if (match := re.match(pattern, name))}
    query, *_, gamma = names.attention
    blocks, last = {}, None
    for part in sorted(parts, key=lambda p: [int(n) for n in re.findall(r"\d+", p)]):
        has_query = Layer(tensors, f"{part}{query}").is_there
        if not (has_query or f"{part}{gamma}" in tensors):
            blocks[part], last = None, part
        elif last is None or blocks[last]:
            raise BadInput(
                "Attention must come after a block, once. Received: attention in "
                f"{part}. Our networks have no such layer; nothing was written."
            )
        else:
            blocks[last] = part
    return blocks


def _widths(tensors, names, blocks):
    firsts = [Layer(tensors, f"{block}{names.convolutions[0]}") for block in blocks]
    return [first.shape(4, "the width of a block")[0] for first in firsts]


def _find_widths(widths, tables, network):
    """Returns the resolution whose table fits the widths, and the channels."""
    for resolution, multiples in tables.items():
        channels = widths[0] // multiples[0]
        if channels and widths == [channels * multiple for multiple in multiples]:
            return resolution, channels
    known = "; ".join(
        f"{resolution} pixels: {', '.join(map(str, multiples))}"
        for resolution, multiples in tables.items()
    )
    raise BadInput(
        f"The widths of the {network}'s maps must be multiples of one of our tables "
        f"({known}). Received: {', '.join(map(str, widths))}. This network "
        "differs from ours; nothing was written."
    )


def _num_classes(table, has_classes):
    """Returns the length of our table of classes."""
    if not has_classes:
        return 0
    return len(table.layout.weight(np.empty(table.shape(2, "num_classes"))))


def _norm(ours, source, names, tables=()):
    """Returns a batch normalization: dict of our variable to `Weight`."""
    weights = {
        f"{ours}/gamma": Weight(f"{source}.weight"),
        f"{ours}/beta": Weight(f"{source}.bias"),
        f"{ours}/moving_mean": Weight(f"{source}.{names.statistics}mean"),
        f"{ours}/moving_variance": Weight(f"{source}.{names.statistics}var"),
    }
    if tables:
        gain, bias = tables
        weights[f"{ours}/gamma"] = gain.effective(plus=int(names.gains_from_one))
        weights[f"{ours}/beta"] = bias.effective()
    return weights


def _convolutions(tensors, ours, block, names, layout=CONVOLUTION):
    """Returns a block's layers; `layout` is for layers that see the block's input."""
    first, second, shortcut = (f"{block}{name}" for name in names.convolutions)
    return {
        f"{ours}/convolution_1": Layer(tensors, first, layout),
        f"{ours}/convolution_2": Layer(tensors, second),
        f"{ours}/shortcut": Layer(tensors, shortcut, layout),
    }


def _attention(tensors, names, attention):
    """Returns the parts; `attention`: dict of map size to the source's layer name."""
    parts = {}
    for size, source in attention.items():
        *convolutions, gamma = (f"{source}{name}" for name in names.attention)
        for part, name in zip(("query", "key", "value", "output"), convolutions):
            parts[f"attention_{size}x{size}/{part}"] = Layer(tensors, name)
        # A scalar here, of shape () or (1,) in the source.
        scalar = Weight(gamma, convert=lambda values: values.reshape(()))
        parts[f"attention_{size}x{size}/gamma"] = scalar
    return parts
