"""The page that goes with an exported generator: what it is, what is known of it."""

from sagan_tf.evaluation.comparison import TITLES

# Longer lists of classes are in export.json only.
_MOST_CLASSES = 100

_INTRODUCTION = """
A generator of a Self-Attention GAN (Zhang et al., arXiv 1805.08318), which
`sagan_tf.export` wrote as a TensorFlow SavedModel. It needs TensorFlow to run
(TensorFlow Serving, `tf.saved_model.load`, the C API), not `sagan_tf`. It computes in
float32. Spectral normalization is part of the weights, and batch normalization uses
moving averages.
"""
_SIGNATURES = """## Signatures

| signature | inputs | outputs |
| --- | --- | --- |
{rows}

N, the number of images, is 1 or more, and the same for all inputs. `sample` and
`sample_png` draw z from the seed. The same {same} the same image, bit by bit on one
machine, whatever the other images of the request are. It is the image of
`python -m sagan_tf.sample`, except that rounding may move a value by one level of 256.
A `truncation` of 0 is none, z ~ N(0, I). Above 0, z comes from a normal distribution
cut at two standard deviations, times `truncation`. For a z of zeros, use
`serving_default`. A row of TensorFlow Serving's JSON is:

    {{"signature_name": "sample_png", "instances": [{row}]}}

Other inputs are an `InvalidArgument` error.
"""
_LIMITS = """## Limits

- The images do not show real people or objects. They resemble the training images and
  share their biases. Recall and coverage, where measured, say how much of the training
  images' variety they have.
- This file does not know the license of the training images.
- Runtimes other than TensorFlow may leave out the checks of inputs: OpenVINO does.
  Under XLA `sample` and `sample_png` draw other random numbers.
- export.json has the SHA-256 of all files, the versions and the full configuration."""


def model_card(record):
    """The page, in Markdown.

    Args:
        record: dict, the content of export.json, see `export.py`.

    Returns:
        Text.
    """
    config = record["config"]
    size, classes = config["resolution"], config["num_classes"]
    colours = "grey" if config["image_channels"] == 1 else "RGB"
    kind = f"{classes:,} classes" if classes else "unconditional"
    evaluations = [line for each in record["evaluations"] for line in _evaluation(each)]
    lines = [
        f"# SAGAN generator, {size} x {size} {colours}, {kind}",
        _INTRODUCTION,
        *_about(record),
        _signatures(record),
        *_classes(record["class_names"], classes),
        "## Evaluation\n",
        *(evaluations or ["These weights have not been evaluated.\n"]),
        _LIMITS,
    ]
    return "\n".join(lines) + "\n"


def _about(record):
    config, imported = record["config"], record["imported"]
    difference, step = record["difference"], record["step"]
    weights = "of a generator in memory"
    if step is not None:
        kind = "averaged weights (EMA)" if record["ema"] else "weights as trained"
        weights = f"{kind} of step {step:,}"
    if batches := record.get("standing_batches"):
        weights += f", standing batch-norm statistics of {batches} batches of 64"
    rows = {
        "learned from": record["data"] or config.get("dataset"),
        "weights": f"{record['parameters']:,} parameters, {weights}",
        "network": _network(config),
        "imported from": imported and _imported(imported),
        # Nobody knows how an import was trained.
        "training": None if imported else _training(config),
        "trained with": ", ".join(map(_versions, record["trained_with"][-1:])),
        "exported with": f"{_versions(record['exported_with'])}, {record['time']}",
        "checked": (
            f"loaded again into a session, {difference['num_images']} images differ "
            f"from the live generator's by at most {difference['images']:.1e} in "
            f"[-1, 1] (allowed: {difference['tolerance']:.0e})"
        ),
    }
    table = [f"| {name} | {value} |" for name, value in rows.items() if value]
    return ["| | |", "| --- | --- |", *table, ""]


def _imported(imported):
    files = [f"{f['name']} (sha256 {f['sha256'][:12]})" for f in imported["files"]]
    written_by, step = imported["written_by"], imported["step"]
    return f"a checkpoint of {written_by}, step {step:,}: {'; '.join(files)}"


def _network(config):
    if "generator_channels" not in config:
        return None
    attention = "no attention"
    if sizes := config["attention_resolution"]:
        places = ", ".join(f"{size}x{size}" for size in sizes)
        attention = f"attention at {places}"
        if config.get("attention_variant") == "residual":
            attention = f"no attention, but residual blocks in its place at {places}"
    channels = config["generator_channels"]
    return f"{channels} channels, z of {config['z_dim']} values, {attention}"


def _training(config):
    if "batch_size" not in config:
        return None
    rates = [config[f"{n}_learning_rate"] for n in ("generator", "discriminator")]
    return (
        f"batches of {config['batch_size']:,}, loss {config['loss']}, learning rates "
        f"{rates[0]:g} and {rates[1]:g}, precision {config['dtype_policy']}"
    )


def _versions(entry):
    """An entry of versions.json in words."""
    names = [f"{name} {entry[name]}" for name in ("sagan_tf", "tensorflow", "keras")]
    if entry["git_commit"]:
        changed = ", changed since" if entry["git_changed"] else ""
        names.append(f"commit {entry['git_commit'][:7]}{changed}")
    return ", ".join(names)


def _signatures(record):
    def tensors(infos):
        texts = []
        for name, info in infos.items():
            sizes = ["N" if size is None else str(size) for size in info["shape"]]
            texts.append(f"`{name}` {info['dtype']} ({', '.join(sizes)})")
        return "<br>".join(texts)

    rows = [
        f"| `{name}` | {tensors(found['inputs'])} | {tensors(found['outputs'])} |"
        for name, found in record["signatures"].items()
    ]
    same, label = "seed gives", ""
    if record["config"]["num_classes"]:
        same, label = "seed and label give", '"labels": 0, '
    row = f'{{{label}"seeds": 7, "truncation": 0.0}}'
    return _SIGNATURES.format(rows="\n".join(rows), same=same, row=row)


def _classes(names, count):
    text = ", ".join(f"{i} {name}" for i, name in enumerate(names)) + "."
    if not names:
        text = f"Labels 0 to {count - 1}, without names."
    elif len(names) > _MOST_CLASSES:
        text = f"Labels 0 to {count - 1}; export.json has the names."
    return ["## Classes", "", text, ""] if count else []


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
        "",
    ]
