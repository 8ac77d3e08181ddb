"""Writes the model card of an exported generator: what it is and how it performs."""

from sagan_tf.evaluation.comparison import TITLES
from sagan_tf.exports.formats import FORMATS, SAVED_MODEL, WEB
from sagan_tf.exports.hub_header import hub_header

# Longer lists of classes are only in export.json.
_MOST_CLASSES = 100

_INTRODUCTION = """
A generator of a Self-Attention GAN (Zhang et al., arXiv 1805.08318), which
`sagan_tf.export` wrote {what}, not `sagan_tf`. It computes in
float32. Spectral normalization is part of the weights, and batch normalization uses
moving averages.
"""
_SAVED_MODEL = """as a TensorFlow SavedModel. It needs TensorFlow to run
(TensorFlow Serving, `tf.saved_model.load`, the C API)"""
_IN_PYTHON = """In this folder:

{code}

These are not the images that `python -m sagan_tf.sample` draws for seed 0, because it
uses other random numbers."""
_IN_A_BROWSER = """\
Open `index.html` in a browser. It needs no server and no network. A seed gives the
same image as `python -m sagan_tf.sample`, to within one of 256 levels. `generator.js`
has this network as an ONNX file, compressed with gzip and written in base64. `runtime`
has ONNX Runtime (MIT license) and the licenses of its parts."""
_LOADING = """## Load it

{how}

| | tensor | |
| --- | --- | --- |
{rows}

N, the number of images, is 1 or more, and the same for all.
"""
_LOADING_SAVED_MODEL = """\
import tensorflow as tf

signatures = tf.saved_model.load(".").signatures
inputs = {name: tf.constant(array) for name, array in inputs.items()}
images = signatures["images"](**inputs)["images"].numpy()
"""
_SIGNATURES = """## Signatures

From Python, in this folder:

{code}

| signature | inputs | outputs |
| --- | --- | --- |
{rows}

N, the number of images, is 1 or more, and the same for all inputs. `sample` and
`sample_png` draw z from the seed. The same {same} the same image, bit for bit on one
machine, whatever the other images of the request are. It is the image of
`python -m sagan_tf.sample`, except that rounding may move a value by one level of 256.
A `truncation` of 0 means none: z ~ N(0, I). Above 0, z comes from a normal distribution
cut at two standard deviations, times `truncation`. For a z of zeros, use
`serving_default`. This is a row of TensorFlow Serving's JSON:

    {{"signature_name": "sample_png", "instances": [{row}]}}

Invalid inputs raise an `InvalidArgument` error.
"""
_LIMITS = """## Limits

- The images do not show real people or objects. They resemble the training images and
  share their biases. Recall and coverage, where measured, say how much of the training
  images' variety they have.
{license}
{runtime}
- export.json has the SHA-256 of all files, the versions and the full configuration."""
_UNKNOWN_LICENSE = """\
- The license of the training images is unknown here. On the Hugging Face Hub, where
  this file is README.md, replace `unknown` with a license."""
_RUN = """## Draw more, fine-tune

`run/` has the checkpoint of this export, with both networks. `sagan_tf` reads it from
the Hub:

    python -m sagan_tf.sample --workdir={address} --output=grid.png
    python -m sagan_tf.train --initialize_from={address} \\
        --dataset=folder:my_images --workdir=runs/mine
"""
_SAVED_MODEL_LIMITS = """\
- Runtimes other than TensorFlow may skip the checks of inputs, as OpenVINO does.
  Under XLA, `sample` and `sample_png` draw different random numbers."""
_NETWORK_LIMITS = """\
- Nothing checks the inputs: for a label that is no class, {runtime} fails or draws
  an arbitrary image."""
_UNCONDITIONAL_LIMITS = "- Nothing checks the inputs."


def model_card(record):
    """Returns the card in Markdown.

    Args:
        record: dict, the content of export.json, see `export.py`.

    Returns:
        str, the card.
    """
    classes = record["config"]["num_classes"]
    is_saved_model = record["format"] == SAVED_MODEL
    evaluations = [line for each in record["evaluations"] for line in _evaluation(each)]
    lines = [
        hub_header(record),
        f"# {title(record['config'])}",
        _INTRODUCTION.format(what=_what(record)),
        *_about(record),
        _signatures(record) if is_saved_model else _loading(record),
        *([_RUN.format(address=record["address"])] if record.get("address") else []),
        *_classes(record["class_names"], classes),
        "## Evaluation\n",
        *(evaluations or ["These weights have not been evaluated.\n"]),
        _LIMITS.format(license=_license(record), runtime=_limits(record)),
    ]
    return "\n".join(lines) + "\n"


def title(config):
    """Returns the title of an exported generator.

    Args:
        config: dict with `"resolution"`, `"image_channels"` and `"num_classes"`.

    Returns:
        str, one line.
    """
    size, classes = config["resolution"], config["num_classes"]
    colours = "gray" if config["image_channels"] == 1 else "RGB"
    kind = f"{classes:,} classes" if classes else "unconditional"
    return f"SAGAN generator, {size} x {size} {colours}, {kind}"


def _what(record):
    if record["format"] == SAVED_MODEL:
        return _SAVED_MODEL
    if record["format"] == WEB:
        return "for browsers. It needs a browser to run"
    module = FORMATS[record["format"]]
    return f"for {module.TITLE}. It needs {module.RUNTIME} to run"


def _license(record):
    name = record.get("license")
    return f"- License, as its author states: {name}." if name else _UNKNOWN_LICENSE


def _limits(record):
    if record["format"] == SAVED_MODEL:
        return _SAVED_MODEL_LIMITS
    if not record["config"]["num_classes"]:
        return _UNCONDITIONAL_LIMITS
    return _NETWORK_LIMITS.format(runtime=FORMATS[record["format"]].RUNTIME)


def _code(record, loading):
    """Returns indented lines of Python that draw three images from the folder."""
    config = record["config"]
    imports, rest = loading.split("\n\n", 1)
    lines = [
        "import numpy as np",
        imports,
        "",
        f"z = np.random.default_rng(0).normal(size=(3, {config['z_dim']}))",
        'inputs = {"z": z.astype("float32")}',
    ]
    if classes := config["num_classes"]:
        labels = [label % classes for label in range(3)]
        lines.append(f'inputs["labels"] = np.array({labels}, "int32")')
    lines += [
        *rest.splitlines(),
        "# `sagan_tf` rounds like this: all 256 levels have the same width.",
        'pixels = (images * 127.5 + 128).clip(0, 255).astype("uint8")',
    ]
    return "\n".join(f"    {line}" if line else "" for line in lines)


def _loading(record):
    """Returns the section on loading one network, with its inputs and outputs."""
    (signature,) = record["signatures"].values()
    rows = [
        f"| {kind} | {_tensor(name, info)} | {record['meanings'][name]} |"
        for kind in ("input", "output")
        for name, info in signature[f"{kind}s"].items()
    ]
    how = _IN_A_BROWSER
    if record["format"] != WEB:
        code = _code(record, FORMATS[record["format"]].LOADING)
        how = _IN_PYTHON.format(code=code)
    return _LOADING.format(how=how, rows="\n".join(rows))


def _about(record):
    config, imported = record["config"], record["imported"]
    difference, step = record["difference"], record["step"]
    reader = "into a session"
    if record["format"] in FORMATS:
        reader = f"by {FORMATS[record['format']].RUNTIME}"
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
        # The training of an imported run is unknown.
        "training": None if imported else _training(config),
        "trained with": ", ".join(map(_versions, record["trained_with"][-1:])),
        "exported with": f"{_versions(record['exported_with'])}, {record['time']}",
        "checked": (
            f"loaded again {reader}, {difference['num_images']} images differ "
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
    """Describes an entry of versions.json in words."""
    names = [f"{name} {entry[name]}" for name in ("sagan_tf", "tensorflow", "keras")]
    if entry["git_commit"]:
        changed = ", changed since" if entry["git_changed"] else ""
        names.append(f"commit {entry['git_commit'][:7]}{changed}")
    return ", ".join(names)


def _signatures(record):
    def tensors(infos):
        return "<br>".join(_tensor(name, info) for name, info in infos.items())

    rows = [
        f"| `{name}` | {tensors(infos['inputs'])} | {tensors(infos['outputs'])} |"
        for name, infos in record["signatures"].items()
    ]
    same, label = "seed gives", ""
    if record["config"]["num_classes"]:
        same, label = "seed and label give", '"labels": 0, '
    row = f'{{{label}"seeds": 7, "truncation": 0.0}}'
    code = _code(record, _LOADING_SAVED_MODEL)
    return _SIGNATURES.format(rows="\n".join(rows), same=same, row=row, code=code)


def _tensor(name, info):
    sizes = ["N" if size is None else str(size) for size in info["shape"]]
    return f"`{name}` {info['dtype']} ({', '.join(sizes)})"


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
