"""Finds our networks in those of PyTorch projects: sizes, and the layers' names.

The projects read here have networks of the same form as ours, under other names: a
linear layer (or a first block), numbered blocks with attention among them, and a last
layer.
"""

import dataclasses
import re
from collections.abc import Callable

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
from sagan_tf.importers.translation import Translation, Weight, shape_of
from sagan_tf.networks.builders import DISCRIMINATOR_BLOCKS, GENERATOR_WIDTHS


@dataclasses.dataclass(frozen=True)
class Names:
    """How a project names the parts of its networks.

    Args:
        blocks: str, regular expression of the beginning of the names of a block's or an
            attention layer's tensors; its numbers tell the order.
        convolutions: dict of our name of a block's convolution to the project's.
        attention: dict of our name of attention's convolutions, and "gamma", to the
            project's.
        linear: str, the generator's first layer, or the discriminator's last.
        embedding: str, the discriminator's embedding of classes.
        image_convolution: str, the generator's last convolution.
        batch_norm: dict of our variable ("gamma", "moving_mean", ...) to `Weight`, of
            the generator's last batch normalisation.
        block_batch_norm: function of the name before the tensors of a block's batch
            norm, that returns such a dict.
        block_batch_norms: dict of our name of a block's batch norm to the project's.
        to_image, from_image: `Layout` of the convolutions that make and see the image.
    """

    blocks: str
    convolutions: dict
    attention: dict
    linear: str
    embedding: str = ""
    image_convolution: str = ""
    batch_norm: dict = dataclasses.field(default_factory=dict)
    block_batch_norm: Callable | None = None
    block_batch_norms: dict = dataclasses.field(default_factory=dict)
    to_image: Layout = CONVOLUTION
    from_image: Layout = CONVOLUTION


def generator(tensors, names):
    """Finds a generator.

    Args:
        tensors: dict of name to array.
        names: `Names`.

    Returns:
        Dict of `Config` fields that its shapes tell, and its `Layers`.

    Raises:
        BadInput: it has no form of ours; of which shapes.
    """
    blocks, attention = _blocks(tensors, names)
    shape = _shape(tensors, names.linear, 2, "z_dim")
    widths = [shape[0] // 16, *_widths(tensors, names, blocks)]
    resolution, channels = _find_widths(widths, GENERATOR_WIDTHS, "generator")
    layers = {
        "linear": Layer(names.linear, LINEAR_TO_MAP),
        "image_convolution": Layer(names.image_convolution, names.to_image),
    }
    weights = _under("batch_norm", names.batch_norm)
    attended = []
    for index, block in enumerate(blocks):
        size = 8 * 2**index
        ours = f"block_{size}x{size}"
        layers |= _convolutions(ours, block, names.convolutions)
        for our_norm, norm in names.block_batch_norms.items():
            found = names.block_batch_norm(f"{block}{norm}")
            weights |= _under(f"{ours}/{our_norm}", found)
        if block in attention:
            attended.append(size)
            _add_attention(layers, weights, size, attention[block], names)
    image_channels, *_ = _shape(
        tensors, names.image_convolution, 4, "the number of image channels"
    )
    fields = {
        "resolution": resolution,
        "image_channels": image_channels,
        "z_dim": shape[1],
        "generator_channels": channels,
        "attention_resolution": tuple(attended),
    }
    return fields, Layers(tensors, layers, weights)


def discriminator(tensors, names):
    """Finds a discriminator.

    Args, Returns, Raises: as `generator`.
    """
    blocks, attention = _blocks(tensors, names)
    widths = _widths(tensors, names, blocks)
    tables = {
        resolution: [width for width, _ in blocks_of_ours]
        for resolution, blocks_of_ours in DISCRIMINATOR_BLOCKS.items()
    }
    resolution, channels = _find_widths(widths, tables, "discriminator")
    layers = {"projection_head/linear": Layer(names.linear, LINEAR)}
    weights, attended, size = {}, [], resolution
    for index, block in enumerate(blocks):
        _, halves = DISCRIMINATOR_BLOCKS[resolution][index]
        size //= 2 if halves else 1
        layout = CONVOLUTION if index else names.from_image
        layers |= _convolutions(f"block_{index + 1}", block, names.convolutions, layout)
        if block in attention:
            _check_halves(halves, attention[block])
            attended.append(size)
            _add_attention(layers, weights, size, attention[block], names)
    classes, embedding = 0, Layer(names.embedding, EMBEDDING)
    if embedding.is_there(tensors):
        layers["projection_head/embedding"] = embedding
        classes, _ = _shape(tensors, names.embedding, 2, "num_classes")
    fields = {
        "resolution": resolution,
        "num_classes": classes,
        "discriminator_channels": channels,
        "discriminator_attention_resolution": tuple(attended),
    }
    return fields, Layers(tensors, layers, weights)


def plain_batch_norm(source, gain="weight", mean="running_mean", var="running_var"):
    """A batch normalisation without classes.

    Args:
        source: str, the name before its tensors.
        gain, mean, var: str, names of tensors.

    Returns:
        Dict of our variable to `Weight`.
    """
    return {
        "gamma": Weight(f"{source}.{gain}"),
        "beta": Weight(f"{source}.bias"),
        "moving_mean": Weight(f"{source}.{mean}"),
        "moving_variance": Weight(f"{source}.{var}"),
    }


def translation(found, epsilon):
    """What is common to the checkpoints of PyTorch projects.

    Args:
        found: dict of `"generator"`, `"ema_generator"`, `"discriminator"`, as far as
            there are any, to what `generator` and `discriminator` return. An averaged
            generator alone becomes the generator.
        epsilon: float, of batch normalisation.

    Returns:
        `Translation`.

    Raises:
        BadInput: there is no generator, or they do not belong together.
    """
    fields, found = {}, dict(found)
    if "generator" not in found:
        if "ema_generator" not in found:
            raise BadInput(
                "The checkpoint must have a generator. Received: a discriminator "
                "alone. Try the generator's file as --input, with this one beside it."
            )
        found["generator"] = found.pop("ema_generator")
    for network, (of_network, _) in found.items():
        for name, value in of_network.items():
            if fields.setdefault(name, value) != value:
                raise BadInput(
                    f"The networks of a checkpoint must agree about {name}. Received: "
                    f"{value} in the {network}, {fields[name]} elsewhere. Nothing was "
                    "written."
                )
    networks = {network: layers for network, (_, layers) in found.items()}
    fields["spectral_norm"], notes = _spectral_norm(networks)
    fields |= {
        "attention_variant": "official",
        "power_iterations": 1,
        "batch_norm_epsilon": epsilon,
        # PyTorch's momentum of 0.1 is the weight of the new value.
        "batch_norm_momentum": 0.9,
        "final_batch_norm_momentum": 0.9,
    }
    settings = {"spectral_norm_stop_gradient": True}
    return Translation(fields, networks, settings, notes=notes)


def _spectral_norm(networks):
    """Agrees on the spectral normalisation of all networks of a run.

    Args:
        networks: dict of `"generator"`, ... to `Layers`; some of them are replaced by
            their `folded` ones.

    Returns:
        Value of the field `spectral_norm`, and a list of notes.
    """
    if all(layers.normalized for layers in networks.values()):
        return "both", []
    causes = [
        cause
        for layers in networks.values()
        if layers.source_is_normalized
        for cause in layers.without_u
    ]
    for name, layers in networks.items():
        if name != "discriminator":
            networks[name] = layers.folded()
    judge = networks.get("discriminator")
    if judge is None or judge.normalized:
        value, folded = "discriminator", "generator is"
    else:
        value, folded = "none", "networks are"
    note = (
        f"the {folded} stored without spectral normalization, weights divided by the "
        f"source's sigma: {', '.join(causes[:1])} has none there, or one that ours "
        "cannot have. Pictures and logits are the source's."
    )
    return value, [note] if causes else []


def _blocks(tensors, names):
    """The beginnings of the blocks' names, and of attention's by the block before it.

    Returns:
        List of str, and dict of block to str.
    """
    blocks, attention = [], {}
    for part in _in_order(tensors, names.blocks):
        if not _is_attention(tensors, part, names):
            blocks.append(part)
        elif not blocks or blocks[-1] in attention:
            raise BadInput(
                "Attention must come after a block, once. Received: attention in "
                f"{part}. Our networks have no such layer; nothing was written."
            )
        else:
            attention[blocks[-1]] = part
    return blocks, attention


def _in_order(tensors, pattern):
    """What a pattern matches in the beginnings of names, by the numbers in it."""
    matches = (re.match(pattern, name) for name in tensors)
    found = {match[0] for match in matches if match}
    return sorted(found, key=lambda part: [int(n) for n in re.findall(r"\d+", part)])


def _is_attention(tensors, part, names):
    query = Layer(f"{part}{names.attention['query']}")
    gamma = f"{part}{names.attention['gamma']}"
    return query.is_there(tensors) or gamma in tensors


def _shape(tensors, source, rank, what):
    return shape_of(tensors, Layer(source).names(tensors)[0], rank, what)


def _widths(tensors, names, blocks):
    first = names.convolutions["convolution_1"]
    return [
        _shape(tensors, f"{block}{first}", 4, "the width of a block")[0]
        for block in blocks
    ]


def _find_widths(widths, tables, network):
    """The resolution whose table has these widths, and the number of channels."""
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
        f"({known}). Received: {', '.join(map(str, widths))}. It is another network "
        "than ours; nothing was written."
    )


def _convolutions(ours, block, convolutions, layout=CONVOLUTION):
    """The layers of a block; `layout` is that of what sees the block's input."""
    return {
        f"{ours}/{our_name}": Layer(
            f"{block}{name}", CONVOLUTION if our_name == "convolution_2" else layout
        )
        for our_name, name in convolutions.items()
    }


def _add_attention(layers, weights, size, source, names):
    ours = f"attention_{size}x{size}"
    for our_name, name in names.attention.items():
        if our_name != "gamma":
            layers[f"{ours}/{our_name}"] = Layer(f"{source}{name}")
    # A scalar here, of shape () or (1,) there.
    gamma = Weight(f"{source}{names.attention['gamma']}", lambda g: g.reshape(()))
    weights[f"{ours}/gamma"] = gamma


def _check_halves(halves, source):
    if not halves:
        raise BadInput(
            "The discriminator's attention must come after a block that halves the "
            f"map. Received: {source} after another. Our networks have no such layer; "
            "nothing was written."
        )


def _under(ours, weights):
    return {f"{ours}/{variable}": weight for variable, weight in weights.items()}
