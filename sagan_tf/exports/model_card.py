"""The page that goes with an exported generator: what it is, what is known of it."""

from sagan_tf.evaluation.comparison import TITLES

# Longer lists of classes are in export.json alone.
_MOST_CLASSES = 100


def model_card(record):
    """The page, in Markdown.

    Args:
        record: dict, the content of export.json, see `exporting.py`.

    Returns:
        Text.
    """
    config = record["config"]
    size, channels = config["resolution"], config["image_channels"]
    colours = "grey" if channels == 1 else "RGB"
    classes = config["num_classes"]
    kind = f"{classes:,} classes" if classes else "unconditional"
    lines = [
        f"# SAGAN generator, {size} x {size} {colours}, {kind}",
        "",
        *_about(record),
        *_signatures(record),
        *_classes(record),
        *_evaluations(record["evaluations"]),
        *_limits(),
    ]
    return "\n".join(lines) + "\n"


def _about(record):
    config, difference = record["config"], record["difference"]
    rows = [
        ("learned from", record["data"] or record["config"].get("dataset")),
        ("weights", f"{record['parameters']:,} parameters, {_weights(record)}"),
        ("network", _network(config)),
        ("imported from", _imported(record["imported"])),
        # Of an import it is not known.
        ("training", None if record["imported"] else _training(config)),
        ("trained with", _versions(record["trained_with"][-1:])),
        ("exported with", f"{_versions([record['exported_with']])}, {record['time']}"),
        (
            "checked",
            f"loaded again into a session, {difference['num_images']} images differ "
            f"from the live generator's by at most {difference['images']:.1e} in "
            f"[-1, 1] (allowed: {difference['tolerance']:.0e})",
        ),
    ]
    intro = (
        "A generator of a Self-Attention GAN (Zhang et al., arXiv 1805.08318) that "
        "`sagan_tf.export` has made a TensorFlow SavedModel. It needs TensorFlow to "
        "run (TensorFlow Serving, `tf.saved_model.load`, the C API), not `sagan_tf`. "
        "It computes in float32. Spectral normalization is part of the weights, batch "
        "normalization uses moving averages."
    )
    table = [f"| {name} | {value} |" for name, value in rows if value]
    return [intro, "", "| | |", "| --- | --- |", *table, ""]


def _weights(record):
    if record["step"] is None:
        return "of a generator in memory"
    kind = "averaged weights (EMA)" if record["ema"] else "weights as trained"
    return f"{kind} of step {record['step']:,}"


def _imported(imported):
    if imported is None:
        return None
    files = "; ".join(
        f"{file['name']} (sha256 {file['sha256'][:12]})" for file in imported["files"]
    )
    return (
        f"a checkpoint of {imported['written_by']}, step {imported['step']:,}: {files}"
    )


def _network(config):
    if "generator_channels" not in config:
        return None
    sizes = config["attention_resolution"]
    places = ", ".join(f"{size}x{size}" for size in sizes)
    attention = f"attention at {places}" if sizes else "no attention"
    if sizes and config.get("attention_variant") == "residual":
        attention = f"no attention, but residual blocks in its place at {places}"
    return (
        f"{config['generator_channels']} channels, z of {config['z_dim']} values, "
        f"{attention}"
    )


def _training(config):
    if "batch_size" not in config:
        return None
    return (
        f"batches of {config['batch_size']:,}, loss {config['loss']}, learning rates "
        f"{config['generator_learning_rate']:g} and "
        f"{config['discriminator_learning_rate']:g}, precision "
        f"{config['dtype_policy']}"
    )


def _versions(entries):
    """An entry of versions.json in words, or `None` without one."""
    if not entries:
        return None
    (entry,) = entries
    names = [f"{name} {entry[name]}" for name in ("sagan_tf", "tensorflow", "keras")]
    if entry["git_commit"]:
        changed = ", changed since" if entry["git_changed"] else ""
        names.append(f"commit {entry['git_commit'][:7]}{changed}")
    return ", ".join(names)


def _signatures(record):
    def tensors(infos):
        return "<br>".join(
            f"`{name}` {info['dtype']} ({', '.join(_sizes(info['shape']))})"
            for name, info in infos.items()
        )

    rows = [
        f"| `{name}` | {tensors(found['inputs'])} | {tensors(found['outputs'])} |"
        for name, found in record["signatures"].items()
    ]
    conditional = bool(record["config"]["num_classes"])
    instance = '{"labels": 0, "seeds": 7, "truncation": 0.0}'
    if not conditional:
        instance = '{"seeds": 7, "truncation": 0.0}'
    return [
        "## Signatures",
        "",
        "| signature | inputs | outputs |",
        "| --- | --- | --- |",
        *rows,
        "",
        "N, the number of pictures, is 1 or more, and the same for all inputs. "
        "`sample` and `sample_png` draw z from the seed. The same seed"
        + (" and label are" if conditional else " is")
        + " the same picture, bit by bit on one machine, whatever is asked for with "
        "it, and the picture of `python -m sagan_tf.sample`, of which rounding may "
        "move a value by one level of 256. `truncation` 0 is none, z ~ N(0, I); above "
        "0, z comes from a normal distribution cut at two standard deviations, times "
        "`truncation`; a z of zeros is for `serving_default`. As a row of TensorFlow "
        "Serving's JSON:",
        "",
        f'    {{"signature_name": "sample_png", "instances": [{instance}]}}',
        "",
        "Inputs that are not as said here are an `InvalidArgument` error.",
        "",
    ]


def _sizes(shape):
    return ["N" if size is None else str(size) for size in shape]


def _classes(record):
    names, count = record["class_names"], record["config"]["num_classes"]
    if not count:
        return []
    lines = ["## Classes", ""]
    if not names:
        return [*lines, f"Labels 0 to {count - 1}, without names.", ""]
    if len(names) > _MOST_CLASSES:
        return [*lines, f"Labels 0 to {count - 1}; export.json has the names.", ""]
    return [*lines, ", ".join(f"{i} {name}" for i, name in enumerate(names)) + ".", ""]


def _evaluations(records):
    lines = ["## Evaluation", ""]
    if not records:
        return [*lines, "These weights have not been evaluated.", ""]
    for record in records:
        lines += [*_evaluation(record), ""]
    return lines


def _evaluation(record):
    network, about = record["network"], record["reference"]
    space = "all numbers"
    if not network["is_inception"]:
        space += f" in the feature space of {network['name']}"
    return [
        f"Protocol `{record['protocol']['name']}`: {record['num_fake']:,} generated "
        f"images against {record['num_real']:,} of {about['description']} (sha256 "
        f"{about['content_hash'][:12]}). Feature network {network['name']} (sha256 "
        f"{network['hash'][:12]}).",
        "",
        f"| {space} | |",
        "| --- | --- |",
        *(
            f"| {title} | {record['metrics'][name]:.4g} |"
            for name, title in TITLES.items()
            if record["metrics"].get(name) is not None
        ),
        *(f"\n{warning}" for warning in record["warnings"]),
    ]


def _limits():
    return [
        "## Limits",
        "",
        "- The pictures show nothing that was. They repeat what the training pictures "
        "were like, their one-sidedness too; recall and coverage, where measured, say "
        "how much of their variety is there.",
        "- Which licence the training pictures have is not known to this file.",
        "- Runtimes other than TensorFlow may leave out the checks of inputs: OpenVINO "
        "does. Under XLA the random numbers of `sample` and `sample_png` are others.",
        "- sha256 of all files, versions and the full configuration: export.json.",
    ]
