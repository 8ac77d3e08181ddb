"""Makes a run directory from a checkpoint of another implementation.

The directory has what our training leaves, except for the optimizers' state. It also
has an import.json: the source, the files and their SHA-256, the tensors that each
variable came from, the ignored tensors with the reasons, and notes.
"""

import collections
import dataclasses
import json
import pathlib
import shlex

import keras

from sagan_tf import importers
from sagan_tf.errors import BadInput
from sagan_tf.files import replacing_folder, sha256_of_file, write_text
from sagan_tf.importers.translation import convert
from sagan_tf.networks.variable_names import variables_by_name
from sagan_tf.run import building, directory, versions

# `dataset` of an imported run whose data set is unknown. No data set has this name, so
# commands that need a data set ask for one.
_UNKNOWN = "unknown (imported)"
# Fields of all translated networks, unless their layout says otherwise.
_COMMON = {
    "discriminator_head": "projection",
    "spectral_norm_clamp": False,
    "spectral_norm_conditional_batch_norm": False,
    # Their moving averages are finished, or have no correction to continue.
    "batch_norm_debias": False,
}


def import_weights(kind, path, workdir, config, given, class_names=None):
    """Translates a checkpoint into a run directory.

    Args:
        kind: key of `importers.SOURCES`.
        path: path of the checkpoint.
        workdir: path of the run directory, which must not exist or be empty.
        config: `Config` from the flags.
        given: dict of the flags that were set explicitly: fields of `config`, and
            OPTIONS of layouts, see `importers.SOURCES`.
        class_names: path of a text file with the class names by label, or `None`.

    Returns:
        List of str, lines for the user.

    Raises:
        BadInput: the checkpoint cannot be read or translated, or contradicts the
            flags; or `workdir` is not empty. Nothing is written.
        OSError: the run directory cannot be written.
    """
    workdir = pathlib.Path(workdir).resolve()
    if workdir.exists() and not (workdir.is_dir() and not any(workdir.iterdir())):
        what = "a run" if (workdir / "config.json").exists() else "something else"
        raise BadInput(
            "--workdir must be a new or an empty folder. Received: "
            f"{workdir}, which holds {what}. Try another --workdir."
        )
    layout, tensors = importers.read(kind, path)
    for name, value in given.items():
        if not hasattr(config, name) and name not in layout.OPTIONS:
            raise BadInput(
                f"{name} does nothing for checkpoints of {layout.DESCRIPTION}. "
                f"Received: --{name}={value}. Try without it."
            )
    translation = layout.translate(tensors, given)
    config = _merged(config, given, translation)
    names = _read_class_names(class_names, config.num_classes)
    networks = _networks(config, translation)
    weights = _assign(networks, translation, tensors)
    record = _record(kind, layout, path, translation, weights)
    _write(workdir, config, networks, record, names)
    return _report(record, config, workdir)


def _merged(config, given, translation):
    """Returns the flags' config with the checkpoint's values in place."""
    fields = {**_COMMON, **translation.fields}
    settings = {"dataset": _UNKNOWN, **translation.settings}
    if "ema_generator" in translation.networks:
        # A continued training may have another decay, or no average.
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
        # As in the config of a run with one --attention_resolution for both networks.
        config = dataclasses.replace(config, discriminator_attention_resolution=None)
    return config.validate()


def _read_class_names(path, num_classes):
    if path is None:
        return []
    try:
        names = pathlib.Path(path).read_text(encoding="utf-8-sig").splitlines()
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
    """Builds the networks that the source has: dict of checkpoint item to network."""
    generator, discriminator = building.networks_from_config(config)
    networks = {"generator": generator}
    if "discriminator" in translation.networks:
        networks["discriminator"] = discriminator
    if "ema_generator" in translation.networks:
        networks["ema_generator"] = keras.models.clone_model(generator)
    return networks


def _assign(networks, translation, tensors):
    """Assigns all variables; returns the `Weight` of each, by network."""
    variables = {item: variables_by_name(network) for item, network in networks.items()}
    weights = {
        item: {name: translation.networks[item](name) for name in named}
        for item, named in variables.items()
    }
    values = convert(tensors, weights, variables, translation.ignored)
    for item, named in variables.items():
        for name, variable in named.items():
            variable.assign(values[item][name])
    return weights


def _record(kind, layout, path, translation, weights):
    """Returns the content of import.json: dict."""
    reader, _ = importers.SOURCES[kind]
    ignored = collections.defaultdict(list)
    for name, reason in sorted(translation.ignored.items()):
        ignored[reason].append(name)
    return {
        "from": kind,
        "written_by": layout.DESCRIPTION,
        "files": [
            {"name": f.name, "bytes": f.stat().st_size, "sha256": sha256_of_file(f)}
            for f in map(pathlib.Path, reader.files(path))
        ],
        "step": translation.step,
        "translated": {
            item: {ours: list(weight.names) for ours, weight in each.items()}
            for item, each in weights.items()
        },
        "ignored": ignored,
        "notes": translation.notes,
    }


def _write(workdir, config, networks, record, class_names):
    """Writes the run directory: whole, or not at all."""
    step = record["step"]
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
    with replacing_folder(workdir) as folder:
        checkpoints = directory.prepare(folder, config, data)
        checkpoints.write(step, {**networks, **counters})
        versions.record_versions(folder, step)
        write_text(folder / "import.json", json.dumps(record, indent=2) + "\n")


def _report(record, config, workdir):
    """Returns the lines to print."""
    files = ", ".join(file["name"] for file in record["files"])
    lines = [f"{files}: {record['written_by']}, step {record['step']:,}"]
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
            "note: the training images are unknown. To evaluate the run, use evaluate "
            "--reference_statistics, or import it with --dataset."
        )
    lines.append(
        f"Written: {workdir}. Try python -m sagan_tf.sample "
        f"--workdir={shlex.quote(str(workdir))} --seeds=0-15 --output=grid.png"
    )
    return lines
