"""Finds our networks in those of PyTorch projects: sizes, and the layers' names.

The projects read here have networks of the same form as ours, under other names: a
linear layer (or a first block), numbered blocks with attention among them, and a last
layer.
"""

import dataclasses
import re

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

# Tensors that are not needed, and what they are.
_NOT_NEEDED = {
    r"meta\..*": "the config, and the number of iterations",
    r".*\.num_batches_tracked": "counters of batches",
    r".*\.sv0": "the last sigma, for a log",
}


@dataclasses.dataclass(frozen=True)
class Names:
    """How a project names the parts of a network, after the network's prefix.

    Names of parts of a block follow the block's name.

    Args:
        blocks: str, regular expression of the names of blocks and attention layers; its
            numbers tell the order.
        convolutions: tuple of a block's first and second convolution and its shortcut.
        attention: tuple of query, key, value, output and gamma.
        linear: the generator's first layer, or the discriminator's last.
        embedding: the discriminator's embedding of classes.
        from_image: `Layout` of the discriminator's first convolutions.
        image_convolution: the generator's last convolution.
        to_image: its `Layout`.
        image_norm: the generator's last batch normalization.
        norms: tuple of a generator block's two batch normalizations.
        statistics: str, before "mean" and "var" in the names of moving averages.
        plain_norm: what follows a name of `norms` in names without classes.
        class_norm: the same, in names of moving averages, with classes.
        class_tables: tuple of gain and bias by class.
        table_layout: `Layout` of these two.
        gains_from_one: bool, whether gamma is 1 + gain.
    """

    blocks: str
    convolutions: tuple[str, ...]
    attention: tuple[str, ...]
    linear: str
    embedding: str = ""
    from_image: Layout = CONVOLUTION
    image_convolution: str = ""
    to_image: Layout = CONVOLUTION
    image_norm: str = ""
    norms: tuple[str, ...] = ()
    statistics: str = "running_"
    plain_norm: str = ""
    class_norm: str = ""
    class_tables: tuple[str, ...] = ()
    table_layout: Layout = EMBEDDING
    gains_from_one: bool = True


def generator(tensors, prefix, names):
    """Finds a generator.

    Args:
        tensors: dict of name to array.
        prefix: str, the beginning of the names of the network's tensors.
        names: `Names`.

    Returns:
        Dict of `Config` fields that its shapes tell, and its `Layers`.

    Raises:
        BadInput: it has another form than ours.
    """
    blocks, attention = _blocks(tensors, prefix, names)
    outputs, z_dim = _shape(tensors, f"{prefix}{names.linear}", 2, "z_dim")
    widths = [outputs // 16, *_widths(tensors, names, blocks)]
    resolution, channels = _find_widths(widths, GENERATOR_WIDTHS, "generator")
    last = f"{prefix}{names.image_convolution}"
    layers = {
        "linear": Layer(f"{prefix}{names.linear}", LINEAR_TO_MAP),
        "image_convolution": Layer(last, names.to_image),
    }
    weights = _norm("batch_norm", f"{prefix}{names.image_norm}", names)
    norms = [f"{block}{norm}" for block in blocks for norm in names.norms]
    has_classes = any(t.is_there(tensors) for n in norms for t in _tables(n, names))
    attended = []
    for index, block in enumerate(blocks):
        size = 8 * 2**index
        ours = f"block_{size}x{size}"
        layers |= _convolutions(ours, block, names.convolutions)
        for number, norm in enumerate(names.norms, start=1):
            our_norm, norm = f"{ours}/batch_norm_{number}", f"{block}{norm}"
            weights |= _block_norm(tensors, our_norm, norm, names, has_classes)
        if block in attention:
            attended.append(size)
            _add_attention(layers, weights, size, attention[block], names)
    fields = {
        "resolution": resolution,
        "image_channels": _shape(tensors, last, 4, "the number of image channels")[0],
        "num_classes": 0,
        "z_dim": z_dim,
        "generator_channels": channels,
        "attention_resolution": tuple(attended),
    }
    if has_classes:
        fields["num_classes"] = _num_classes(tensors, _tables(norms[0], names)[0])
    return fields, Layers(tensors, layers, weights)


def discriminator(tensors, prefix, names):
    """Finds a discriminator.

    Args, Returns, Raises: as `generator`.
    """
    blocks, attention = _blocks(tensors, prefix, names)
    tables = {
        resolution: [width for width, _ in blocks_of_ours]
        for resolution, blocks_of_ours in DISCRIMINATOR_BLOCKS.items()
    }
    widths = _widths(tensors, names, blocks)
    resolution, channels = _find_widths(widths, tables, "discriminator")
    layers = {"projection_head/linear": Layer(f"{prefix}{names.linear}", LINEAR)}
    weights, attended, size = {}, [], resolution
    for index, block in enumerate(blocks):
        _, halves = DISCRIMINATOR_BLOCKS[resolution][index]
        size //= 2 if halves else 1
        layout = CONVOLUTION if index else names.from_image
        layers |= _convolutions(f"block_{index + 1}", block, names.convolutions, layout)
        if block in attention:
            if not halves:
                raise BadInput(
                    "The discriminator's attention must come after a block that halves "
                    f"the map. Received: {attention[block]} after another. Our "
                    "networks have no such layer; nothing was written."
                )
            attended.append(size)
            _add_attention(layers, weights, size, attention[block], names)
    fields = {
        "resolution": resolution,
        "num_classes": 0,
        "discriminator_channels": channels,
        "discriminator_attention_resolution": tuple(attended),
    }
    embedding = Layer(f"{prefix}{names.embedding}", EMBEDDING)
    if embedding.is_there(tensors):
        layers["projection_head/embedding"] = embedding
        fields["num_classes"] = _num_classes(tensors, embedding)
    return fields, Layers(tensors, layers, weights)


def translation(tensors, networks, epsilon, ema_decay, ema_start_step=0, left_out=None):
    """What is common to the checkpoints of PyTorch projects.

    Args:
        tensors: dict of name to array.
        networks: dict of `"generator"`, `"ema_generator"`, `"discriminator"`, as far as
            there are any, to what `generator` and `discriminator` return. An averaged
            generator alone becomes the generator.
        epsilon: float, of batch normalization.
        ema_decay, ema_start_step: float and int, of the averaged generator.
        left_out: str, regular expression of the names of a discriminator that is left
            out because its ReLU in place makes it another function.

    Returns:
        `Translation`.

    Raises:
        BadInput: there is no generator, or they do not belong together.
    """
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
    for pattern, reason in _NOT_NEEDED.items():
        result.ignore(tensors, pattern, reason)
    if left_out and any(re.match(left_out, name) for name in tensors):
        reason = "the discriminator, whose ReLU in place makes it another function"
        result.ignore(tensors, f"{left_out}.*", reason)
        result.notes.append(f"left out: {reason} (shortcuts see relu(x), ours see x).")
    return result


def _norm(ours, source, names):
    """A batch normalization without classes: dict of our variable to `Weight`."""
    return {
        f"{ours}/gamma": Weight(f"{source}.weight"),
        f"{ours}/beta": Weight(f"{source}.bias"),
        f"{ours}/moving_mean": Weight(f"{source}.{names.statistics}mean"),
        f"{ours}/moving_variance": Weight(f"{source}.{names.statistics}var"),
    }


def _block_norm(tensors, ours, source, names, has_classes):
    """A block's batch normalization: dict of our variable to `Weight`."""
    if not has_classes:
        return _norm(ours, f"{source}{names.plain_norm}", names)
    gain, bias = _tables(source, names)
    return {
        **_norm(ours, f"{source}{names.class_norm}", names),
        f"{ours}/gamma": gain.effective(tensors, plus=int(names.gains_from_one)),
        f"{ours}/beta": bias.effective(tensors),
    }


def _tables(source, names):
    return [
        Layer(f"{source}{table}", names.table_layout) for table in names.class_tables
    ]


def _spectral_norm(networks):
    """Agrees on the spectral normalization of all networks of a run.

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
        f"source's sigma: {', '.join(causes[:1])} has no spectral normalization there, "
        "or a sigma that ours cannot have. Images and logits are the source's."
    )
    return value, [note] if causes else []


def _blocks(tensors, prefix, names):
    """List of the names of blocks, and dict of block to its attention's name."""
    pattern = re.escape(prefix) + names.blocks
    matches = (re.match(pattern, name) for name in tensors)
    parts = {match[0] for match in matches if match}
    blocks, attention = [], {}
    query, *_, gamma = names.attention
    for part in sorted(parts, key=lambda p: [int(n) for n in re.findall(r"\d+", p)]):
        has_query = Layer(f"{part}{query}").is_there(tensors)
        if not (has_query or f"{part}{gamma}" in tensors):
            blocks.append(part)
        elif not blocks or blocks[-1] in attention:
            raise BadInput(
                "Attention must come after a block, once. Received: attention in "
                f"{part}. Our networks have no such layer; nothing was written."
            )
        else:
            attention[blocks[-1]] = part
    return blocks, attention


def _shape(tensors, source, rank, what):
    return shape_of(tensors, Layer(source).names(tensors)[0], rank, what)


def _num_classes(tensors, table):
    """The length of our table of classes."""
    weight = table.names(tensors)[0]
    shape_of(tensors, weight, 2, "num_classes")
    return len(table.layout.weight(tensors[weight]))


def _widths(tensors, names, blocks):
    first = names.convolutions[0]
    return [
        _shape(tensors, f"{b}{first}", 4, "the width of a block")[0] for b in blocks
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
    first, second, shortcut = (f"{block}{name}" for name in convolutions)
    return {
        f"{ours}/convolution_1": Layer(first, layout),
        f"{ours}/convolution_2": Layer(second),
        f"{ours}/shortcut": Layer(shortcut, layout),
    }


def _add_attention(layers, weights, size, source, names):
    ours = f"attention_{size}x{size}"
    *convolutions, gamma = (f"{source}{name}" for name in names.attention)
    for our_name, name in zip(("query", "key", "value", "output"), convolutions):
        layers[f"{ours}/{our_name}"] = Layer(name)
    # A scalar here, of shape () or (1,) there.
    weights[f"{ours}/gamma"] = Weight(gamma, lambda values: values.reshape(()))
