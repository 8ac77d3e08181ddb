"""Looks at the attention of a run's networks, now and over training."""

import pathlib
import sys

import numpy as np

from sagan_tf import images
from sagan_tf.attention_maps.view import make_view
from sagan_tf.errors import BadInput
from sagan_tf.layers import ResidualBottleneck
from sagan_tf.model import generating
from sagan_tf.networks.attention_scores import attention_layers, attention_maps_of
from sagan_tf.progress import progress_bar
from sagan_tf.run import building
from sagan_tf.run.checkpoints import CheckpointError
from sagan_tf.run.records import read_metrics

NETWORKS = ("generator", "discriminator")


def networks_to_look_at(networks, wanted, kind):
    """Returns the requested networks that have attention.

    Args:
        networks: generator and discriminator, `keras.Model`. The discriminator is
            `None` if the run was imported without one.
        wanted: str, one of `NETWORKS`, or `None` for both. The generator sees no real
            images.
        kind: str, `"generated"` or `"real"` images.

    Returns:
        Dict of name to network, the generator first.

    Raises:
        BadInput: there is no such network.
    """
    if kind == "real" and wanted == "generator":
        raise BadInput(
            "The generator sees no real images. Received: network=generator, "
            "images=real. Try --network=discriminator or --images=generated."
        )
    there = {name: n for name, n in zip(NETWORKS, networks) if n is not None}
    possible = NETWORKS if kind == "generated" else ("discriminator",)
    names = (wanted,) if wanted else possible
    if not set(names) & set(there):
        raise BadInput(
            "The run must have a discriminator to look at. Received: a run that was "
            "imported without one. Try --network=generator."
        )
    attending = {name: n for name, n in there.items() if attention_layers(n)}
    chosen = {name: attending[name] for name in names if name in attending}
    if chosen:
        return chosen
    instead, flag = "no attention layer", "--attention_resolution"
    layers = [layer for name in names if name in there for layer in there[name].layers]
    if any(isinstance(layer, ResidualBottleneck) for layer in layers):
        instead, flag = "residual blocks in its place", "--attention_variant=official"
    other = next(iter(attending), None)
    trained = f"a run that was trained with {flag}"
    raise BadInput(
        f"There is no attention to look at: the {' and the '.join(names)} of this "
        f"run {'has' if len(names) == 1 else 'have'} {instead}. Try "
        f"{f'--network={other}' if other in possible else trained}."
    )


def explore(networks, generator, chosen):
    """Yields all attention maps, one at a time.

    Args:
        networks: dict of name to network, see `networks_to_look_at`.
        generator: `keras.Model`, for the images that the discriminator looks at.
        chosen: `ChosenImages`.

    Yields:
        (index of the image, `(R, R, C)` uint8 pixels, `AttentionMap`), one network
        after the other.
    """
    seen = chosen.images
    if "generator" in networks:
        seen = []
        inputs = [chosen.z] if chosen.labels is None else [chosen.z, chosen.labels]
        for image, maps in attention_maps_of(networks["generator"], inputs):
            seen.append(image)
            for attention_map in maps:
                yield len(seen) - 1, images.to_pixels(image), attention_map
    elif seen is None:
        seen = generating.generate_one_by_one(generator, chosen.z, chosen.labels)
    if "discriminator" in networks:
        network = networks["discriminator"]
        # A discriminator with an auxiliary classifier takes no labels.
        inputs = [np.stack(seen), chosen.labels][: len(network.inputs)]
        for index, (_, maps) in enumerate(attention_maps_of(network, inputs)):
            for attention_map in maps:
                yield index, images.to_pixels(seen[index]), attention_map


def mean_values(views):
    """Returns the mean values of each layer over images.

    Args:
        views: iterable of `View`.

    Returns:
        List of dicts: `network`, `layer`, `gamma`, `has_effect`, and the means by name.
    """
    groups = {}
    for view in views:
        key = (view.network, view.layer, view.gamma, view.has_effect)
        groups.setdefault(key, []).append(view.means)
    names = ("network", "layer", "gamma", "has_effect")
    return [
        dict(zip(names, key))
        | {name: float(np.mean([m[name] for m in group])) for name in group[0]}
        for key, group in groups.items()
    ]


def history(workdir, config, networks, attending, chosen, ema=True):
    """Returns the values of each attention layer at every checkpoint of the run.

    Skips damaged checkpoints and names them on stderr.

    Args:
        workdir: path of the run.
        config: its `Config`.
        networks: its generator and discriminator; their weights are replaced.
        attending: dict of name to network, see `networks_to_look_at`.
        chosen: `ChosenImages`, the same at each checkpoint.
        ema: bool, whether to use the averaged generator, if there is one.

    Returns:
        List of `{"step": int, "layers": mean_values(...)}`, oldest first.
    """
    records = []
    steps = building.checkpoint_steps(workdir)
    with progress_bar("Attention over training", len(steps), "checkpoints") as bar:
        for step in steps:
            bar.update()
            try:
                building.restore_networks(workdir, config, networks, step, ema)
            except CheckpointError as error:
                print(f"warning: skipping a bad checkpoint: {error}", file=sys.stderr)
                continue
            views = [
                make_view(pixels, attention_map, [])
                for _, pixels, attention_map in explore(attending, networks[0], chosen)
            ]
            records.append({"step": step, "layers": mean_values(views)})
    return records


def training_gammas(workdir, networks=NETWORKS):
    """Reads the gamma of each attention layer from a run's metrics.jsonl.

    Returns:
        Dict of (network, layer) to list of (step, gamma). Each gamma is a mean over a
        log interval, of the trained weights, not of the averaged ones.

    Raises:
        BadInput: the file is damaged.
    """
    letters = {name[0]: name for name in networks}
    curves = {}
    for record in read_metrics(pathlib.Path(workdir) / "metrics.jsonl"):
        for name, value in record.items():
            letter, _, layer = name.removeprefix("gamma_").partition("_")
            if name.startswith("gamma_") and letter in letters and value is not None:
                curve = curves.setdefault((letters[letter], layer), [])
                curve.append((record["step"], value))
    return curves
