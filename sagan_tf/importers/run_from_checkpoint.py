"""A run directory out of a checkpoint of another implementation.

It is what a training of ours leaves, without the optimizers' state, and with an
import.json: source, files and their SHA-256, which variable came from which tensors,
what was ignored and why, notes.
"""

import collections
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil

import keras
from tqdm import tqdm

from sagan_tf import importers
from sagan_tf.errors import BadInput
from sagan_tf.files import TEMPORARY, write_text
from sagan_tf.importers.translation import check_names, convert, variables_by_name
from sagan_tf.run import building, directory, versions

# `--dataset` of an import whose data set nobody knows: no kind of data set, so that one
# is asked for where it is needed.
_UNKNOWN = "unknown (imported)"
# What all networks have that can be translated, unless their layout says otherwise.
_COMMON = {
    "discriminator_head": "projection",
    "spectral_norm_clamp": False,
    "spectral_norm_conditional_batch_norm": False,
}


def import_weights(kind, path, workdir, config, given, class_names=None):
    """Translates a checkpoint into a run directory.

    Args:
        kind: key of `importers.SOURCES`.
        path: of the checkpoint.
        workdir: path of the run directory, which must not exist or be empty.
        config: `Config`, of the flags.
        given: dict of what was given, rather than left at its default: fields of
            `config`, and OPTIONS of layouts, see `importers.SOURCES`.
        class_names: path of a text file, the names of the classes by label, or `None`.

    Returns:
        List of str, lines for the user.

    Raises:
        BadInput: the checkpoint cannot be read or translated, or contradicts the
            flags; or there is something in `workdir`. Nothing is written.
        OSError: it cannot be written.
    """
    workdir = pathlib.Path(workdir).resolve()
    _check_empty(workdir)
    layout, tensors = importers.read(kind, path)
    _check_options(given, config, layout)
    translation = layout.translate(tensors, given)
    config = _merged(config, given, translation)
    names = _read_class_names(class_names, config.num_classes)
    networks = _networks(config, translation)
    named = {item: variables_by_name(network) for item, network in networks.items()}
    shapes = {
        item: {name: tuple(variable.shape) for name, variable in variables.items()}
        for item, variables in named.items()
    }
    weights = {
        item: {name: translation.networks[item](name) for name in variables}
        for item, variables in named.items()
    }
    check_names(tensors, weights, translation.ignored)
    for item, values in convert(tensors, weights, shapes, _progress).items():
        for name, value in values.items():
            named[item][name].assign(value)
    record = _record(kind, layout, path, translation, weights)
    _write(workdir, config, networks, translation.step, record, names)
    return _report(record, config, workdir)


def _check_empty(workdir):
    if workdir.is_dir() and not any(workdir.iterdir()):
        return
    if workdir.exists():
        what = "a run" if (workdir / "config.json").exists() else "something else"
        raise BadInput(
            "--workdir must be a new or an empty folder. Received: "
            f"{workdir}, which holds {what}. Try another --workdir."
        )


def _check_options(given, config, layout):
    for name, value in given.items():
        if not hasattr(config, name) and name not in layout.OPTIONS:
            raise BadInput(
                f"{name} does nothing for checkpoints of {layout.DESCRIPTION}. "
                f"Received: --{name}={value}. Try without it."
            )


def _merged(config, given, translation):
    """The flags' config with what the checkpoint tells."""
    fields = {**_COMMON, **translation.fields}
    settings = {"dataset": _UNKNOWN, **translation.settings}
    if "ema_generator" in translation.networks:
        # A training that goes on may have another decay, or no average any more.
        settings["ema_decay"] = fields.pop("ema_decay")
    else:
        fields["ema_decay"] = None
    if "discriminator" not in translation.networks:
        settings["discriminator_attention_resolution"] = ()
        settings["discriminator_channels"] = fields["generator_channels"]
    for name, value in fields.items():
        if given.get(name) not in (None, value):
            raise BadInput(
                f"{name} is {value} in the checkpoint. Received: "
                f"--{name}={given[name]}. Try without it."
            )
    settings = {name: v for name, v in settings.items() if name not in given}
    config = dataclasses.replace(config, **{**settings, **fields})
    if config.discriminator_attention == config.generator_attention:
        # As a training has it that was not told of two.
        config = dataclasses.replace(config, discriminator_attention_resolution=None)
    return config.validate()


def _read_class_names(path, num_classes):
    if path is None:
        return []
    try:
        names = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise BadInput(
            f"class_names must be a text file in UTF-8. Received: {path}: {error}."
        ) from error
    if len(names) != num_classes:
        raise BadInput(
            f"class_names must have a line for each of the {num_classes} classes. "
            f"Received: {len(names)} lines. Try without --class_names."
        )
    return names


def _networks(config, translation):
    """New networks for what the source has: dict of checkpoint item to network."""
    generator, discriminator = building.networks_from_config(config)
    networks = {"generator": generator}
    if "discriminator" in translation.networks:
        networks["discriminator"] = discriminator
    if "ema_generator" in translation.networks:
        networks["ema_generator"] = keras.models.clone_model(generator)
    return networks


def _progress(todo):
    return tqdm(
        todo,
        desc="Translating",
        unit=" variables",
        dynamic_ncols=True,
        leave=False,
        disable=None,  # Not in a log file.
    )


def _record(kind, layout, path, translation, weights):
    """What import.json says: dict."""
    ignored = collections.defaultdict(list)
    for name, reason in sorted(translation.ignored.items()):
        ignored[reason].append(name)
    return {
        "from": kind,
        "written_by": layout.DESCRIPTION,
        "files": [_describe_file(file) for file in layout.FORMAT.files(path)],
        "step": translation.step,
        "translated": {
            item: {ours: list(weight.sources()) for ours, weight in each.items()}
            for item, each in weights.items()
        },
        "ignored": ignored,
        "notes": translation.notes,
    }


def _describe_file(path):
    path, digest = pathlib.Path(path), hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    size = path.stat().st_size
    return {"name": path.name, "bytes": size, "sha256": digest.hexdigest()}


def _write(workdir, config, networks, step, record, class_names):
    """Writes the run directory under another name, then gives it its own."""
    data = {
        "description": f"what {record['files'][0]['name']} was trained on",
        "num_images": None,
        "num_classes": config.num_classes,
        "class_names": class_names,
    }
    counters = {
        name: keras.Variable(value, dtype="int64", trainable=False, name=name)
        for name, value in (("step", step), ("first_nonfinite_step", -1))
    }
    workdir.parent.mkdir(parents=True, exist_ok=True)
    temporary = workdir.with_name(f"{workdir.name}.{os.getpid()}{TEMPORARY}")
    try:
        checkpoints = directory.prepare(temporary, config, data)
        checkpoints.write(step, {**networks, **counters})
        versions.record_versions(temporary, step)
        write_text(temporary / "import.json", json.dumps(record, indent=2) + "\n")
        os.replace(temporary, workdir)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _report(record, config, workdir):
    """What the user is told: list of lines."""
    names = ", ".join(file["name"] for file in record["files"])
    lines = [f"{names}: {record['written_by']}, step {record['step']:,}"]
    for item, weights in record["translated"].items():
        tensors = {name for names in weights.values() for name in names}
        what = f"{len(weights)} variables from {len(tensors)} tensors"
        lines.append(f"  {item.replace('_', ' '):<15}{what}")
    for reason, ignored in record["ignored"].items():
        lines.append(f"  {'ignored':<15}{len(ignored)} tensors: {reason}")
    sizes = ", ".join(f"{n}x{n}" for n in config.generator_attention) or "none"
    lines.append(
        f"  {config.resolution} pixels, {config.num_classes} classes, "
        f"z {config.z_dim}, channels {config.generator_channels}, attention {sizes}"
    )
    lines += [f"note: {note}" for note in record["notes"]]
    if config.dataset == _UNKNOWN:
        lines.append(
            "note: nothing tells the training images. To evaluate, give "
            "--reference_statistics there, or --dataset here."
        )
    lines.append(
        f"Written: {workdir}. Try python -m sagan_tf.sample --workdir={workdir} "
        "--seeds=0-15 --output=grid.png"
    )
    return lines
