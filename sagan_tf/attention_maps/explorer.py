"""Looks through the attention layers of a run's networks, now and over training."""

import pathlib
import sys

import numpy as np
from tqdm import tqdm

from sagan_tf import images
from sagan_tf.attention_maps.view import make_view
from sagan_tf.errors import BadInput
from sagan_tf.layers import ResidualBottleneck
from sagan_tf.model import generating
from sagan_tf.networks.attention_scores import attention_layers, attention_maps_of
from sagan_tf.run import building
from sagan_tf.run.checkpoints import CheckpointError
from sagan_tf.run.records import read_metrics

NETWORKS = ("generator", "discriminator")


def networks_to_look_at(networks, wanted, kind):
    """The networks that are asked for and have attention.

    Args:
        networks: generator and discriminator, `keras.Model`, or `None` for the second
            of a run that was imported without it.
        wanted: str, one of `NETWORKS`, or `None` for both (of real pictures the
            discriminator: a generator sees none).
        kind: str, `"generated"` or `"real"` pictures.

    Returns:
        Dict of name to network, the generator first.

    Raises:
        BadInput: there is none.
    """
    if kind == "real" and wanted == "generator":
        raise BadInput(
            "The generator sees no real pictures. Received: network=generator, "
            "images=real. Try --network=discriminator or --images=generated."
        )
    possible = NETWORKS if kind == "generated" else NETWORKS[1:]
    names = [wanted] if wanted else list(possible)
    if names == ["discriminator"] and networks[1] is None:
        raise BadInput(
            "The discriminator must be there to be looked into. Received: a run that "
            "was imported without it. Try --network=generator."
        )
    attending = {
        name: network
        for name, network in zip(NETWORKS, networks)
        if network is not None and attention_layers(network)
    }
    found = {name: attending[name] for name in names if name in attending}
    if not found:
        other = next(iter(attending), None)
        what, flag = _in_place_of_attention(networks, names)
        advice = (
            f"Try --network={other}"
            if other in possible
            else f"Try a run that was trained with {flag}"
        )
        raise BadInput(
            f"There is no attention to look at: the {' and the '.join(names)} of this "
            f"run {'has' if len(names) == 1 else 'have'} {what}. {advice}."
        )
    return found


def _in_place_of_attention(networks, names):
    """What networks without attention have, in words, and the flag that changes it."""
    for name, network in zip(NETWORKS, networks):
        layers = network.layers if name in names and network is not None else []
        if any(isinstance(layer, ResidualBottleneck) for layer in layers):
            return "residual blocks in its place", "--attention_variant=official"
    return "no attention layer", "--attention_resolution"


def explore(networks, generator, pictures):
    """Goes through all attention maps, one at a time.

    Args:
        networks: dict of name to network, see `networks_to_look_at`.
        generator: `keras.Model`, for the pictures that the discriminator looks at.
        pictures: `attention_pictures.Pictures`.

    Yields:
        (index of the picture, `(R, R, C)` uint8 pixels, `AttentionMap`), network after
        network.
    """
    seen = pictures.images
    if "generator" in networks:
        seen = []
        inputs = _with_labels(pictures.z, pictures.labels)
        for index, (image, maps) in enumerate(
            attention_maps_of(networks["generator"], inputs)
        ):
            seen.append(image)
            for each in maps:
                yield index, images.to_pixels(image), each
    elif seen is None:
        seen = generating.generate_one_by_one(generator, pictures.z, pictures.labels)
    if "discriminator" in networks:
        network = networks["discriminator"]
        # An auxiliary classifier is not told the labels.
        labels = pictures.labels if len(network.inputs) > 1 else None
        inputs = _with_labels(np.stack(seen), labels)
        for index, (_, maps) in enumerate(attention_maps_of(network, inputs)):
            for each in maps:
                yield index, images.to_pixels(seen[index]), each


def count_maps(networks, pictures):
    """How many maps `explore` yields: int."""
    layers = sum(len(attention_layers(network)) for network in networks.values())
    return layers * len(pictures)


def mean_figures(views):
    """Means over pictures of the figures of each layer.

    Args:
        views: iterable of `View`.

    Returns:
        List of dicts, one for each layer: `network`, `layer`, `gamma`, `has_effect`,
        and the means by name.
    """
    groups = {}
    for each in views:
        groups.setdefault((each.network, each.layer), []).append(each)
    return [
        {
            "network": network,
            "layer": layer,
            "gamma": group[0].gamma,
            "has_effect": group[0].has_effect,
            **{
                name: float(np.mean([each.figures[name] for each in group]))
                for name in group[0].figures
            },
        }
        for (network, layer), group in groups.items()
    ]


def history(workdir, config, pictures, wanted=None, ema=True):
    """The figures of each attention layer at every checkpoint that the run has kept.

    A checkpoint that is damaged is named on stderr and left out.

    Args:
        workdir: path of the run.
        config: its `Config`.
        pictures: `attention_pictures.Pictures`, the same at each checkpoint.
        wanted: see `networks_to_look_at`.
        ema: bool, whether the averaged generator is looked at, if there is one.

    Returns:
        List of `{"step": int, "layers": mean_figures(...)}`, oldest first.

    Raises:
        BadInput: see `networks_to_look_at`.
    """
    *networks, _, _, _ = building.load_networks(workdir, ema=ema)
    chosen = networks_to_look_at(networks, wanted, pictures.kind)
    records = []
    steps = building.checkpoint_steps(workdir)
    for step in tqdm(steps, "Checkpoints", unit="", leave=False, disable=None):
        try:
            building.restore_networks(workdir, config, networks, step, ema)
        except CheckpointError as error:
            print(f"warning: skipping a bad checkpoint: {error}", file=sys.stderr)
            continue
        views = [
            make_view(pixels, each, [])
            for _, pixels, each in explore(chosen, networks[0], pictures)
        ]
        records.append({"step": step, "layers": mean_figures(views)})
    return records


def training_gammas(workdir):
    """Gamma of each attention layer as the run's metrics.jsonl has it.

    Args:
        workdir: path of the run.

    Returns:
        List of (network, layer, [(step, gamma), ...]): means over a log interval, of
        the weights that are trained, not of their average.

    Raises:
        BadInput: the file is damaged.
    """
    found = {}
    for record in read_metrics(pathlib.Path(workdir) / "metrics.jsonl"):
        for name, value in record.items():
            letter, _, layer = name.removeprefix("gamma_").partition("_")
            if name.startswith("gamma_") and value is not None:
                network = {"g": "generator", "d": "discriminator"}[letter]
                found.setdefault((network, layer), []).append((record["step"], value))
    return [(*key, points) for key, points in found.items()]


def _with_labels(values, labels):
    return values if labels is None else [values, labels]
