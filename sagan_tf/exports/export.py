"""Exports a generator to a folder, and checks that the export draws the same images.

Besides the files of its format (`formats.py`), the folder has:

export.json       origin, signatures, evaluations, SHA-256 of each file
model_card.md     the same for people; README.md if it goes to the Hub
run/              if it goes to the Hub: the checkpoint, see `run/sharing.py`
assets.extra/     in a SavedModel, warm-up requests for TensorFlow Serving
"""

import contextlib
import datetime
import json
import math
import pathlib
import shlex

import keras
import tensorflow as tf

from sagan_tf.errors import BadInput
from sagan_tf.exports import checks, web_page
from sagan_tf.exports.folder import RECORD, export_folder
from sagan_tf.exports.formats import FORMATS, SAVED_MODEL, WEB, check_format
from sagan_tf.exports.meanings import meanings
from sagan_tf.exports.model_card import model_card, title
from sagan_tf.exports.one_network import write_network
from sagan_tf.exports.onnxruntime_web import find_package
from sagan_tf.exports.origin import origin_in_memory, origin_of_run
from sagan_tf.exports.served_model import ServedModel
from sagan_tf.exports.signatures import make_signatures
from sagan_tf.files import sha256_of_file, write_text
from sagan_tf.hub import RUN
from sagan_tf.networks.folding import fold_generator
from sagan_tf.progress import without_notices
from sagan_tf.run import building, versions
from sagan_tf.run.sharing import copy_run

CARD = "model_card.md"
# The page that the Hub shows.
HUB_CARD = "README.md"


def export_run(
    workdir,
    output,
    *,
    format=SAVED_MODEL,
    checkpoint="newest",
    ema=True,
    standing_batches=0,
    overwrite=False,
    warm=None,
    onnxruntime_web=None,
    license=None,
    address=None,
):
    """Exports the generator of a run.

    The export computes in float32, whatever the precision of the training.

    Args:
        workdir: path of the run.
        output: path of the new folder. For TensorFlow Serving, its name must be the
            version, a number, and its parent's name is the name of the model.
        format: one of `formats.NAMES`.
        checkpoint, ema, standing_batches: see `building.load_generator`.
        overwrite: bool, whether to replace an existing export.
        warm: bool, whether to write warm-up requests for TensorFlow Serving, by default
            True for a SavedModel. Must be `None` in other formats.
        onnxruntime_web: path of the npm package for the format `web`, see
            `onnxruntime_web.find_package`.
        license: str, a license's name on the Hub, or `None` for unknown.
        address: str, `hf://user/name`, if `hub.upload` will upload the export. The
            folder then has the run's checkpoint too.

    Returns:
        The content of export.json: dict.

    Raises:
        BadInput: there is no run or no such checkpoint, `output` exists, a package of
            the format is missing, or the export does not draw what the generator draws.
        OSError: the export cannot be written.
    """
    check_format(format, warm, onnxruntime_web)
    with export_folder(output, overwrite) as folder, _in_float32():
        generator, config, class_names, step = building.load_generator(
            workdir, checkpoint, ema, standing_batches
        )
        about = origin_of_run(workdir, checkpoint, ema, config, class_names, step)
        if standing_batches:  # The evaluations are about other images.
            about |= {"standing_batches": standing_batches, "evaluations": []}
        about |= {"license": license, "address": address}
        if address:
            copy_run(workdir, step, folder / RUN)
        return _export(generator, folder, about, format, warm, onnxruntime_web)


def export_generator(
    generator,
    output,
    *,
    format=SAVED_MODEL,
    num_classes=0,
    class_names=(),
    overwrite=False,
    warm=None,
    onnxruntime_web=None,
):
    """Exports a generator that is in memory.

    Args:
        generator: from `build_generator`, e.g. the `generator` of a `SAGAN`. It does
            not change.
        num_classes: int, 0 for an unconditional generator.
        class_names: sequence of str, by label; may be empty.
        output, format, overwrite, warm, onnxruntime_web: see `export_run`.

    Returns:
        The content of export.json: dict. Facts about a run are `None` or empty.

    Raises:
        BadInput: `output` exists, the generator does not compute in float32, its inputs
            do not fit `num_classes`, a package of the format is missing, or the export
            does not draw what the generator draws.
        OSError: the export cannot be written.
    """
    check_format(format, warm, onnxruntime_web)
    _check(generator, num_classes)
    about = origin_in_memory(generator, num_classes, class_names)
    with export_folder(output, overwrite) as folder, _in_float32():
        return _export(generator, folder, about, format, warm, onnxruntime_web)


@contextlib.contextmanager
def _in_float32():
    """Makes new layers compute in float32, even after a mixed-precision training."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _check(generator, num_classes):
    inputs = [each.name for each in generator.inputs]
    if len(inputs) != (2 if num_classes else 1):
        wanted = "z and labels" if num_classes else "z alone"
        raise BadInput(
            f"A generator of num_classes={num_classes} takes {wanted}. Received: a "
            f"generator of {', '.join(inputs)}."
        )
    dtypes = {layer.compute_dtype for layer in generator.layers}
    if dtypes != {"float32"}:
        raise BadInput(
            "The generator must compute in float32, to compare its images. Received: "
            f"{', '.join(sorted(dtypes))}. Try exporting its run, which loads in "
            "float32: sagan_tf.export --workdir=DIR."
        )


def _export(generator, folder, about, format, warm, onnxruntime_web):
    """Writes everything into an empty folder; returns the content of export.json."""
    num_classes = about["config"]["num_classes"]
    if format == SAVED_MODEL:
        warm = True if warm is None else warm
        signatures, difference = _export_saved_model(
            generator, folder, num_classes, warm
        )
    else:
        signatures, difference = write_network(generator, folder, format, num_classes)
    if format == WEB:
        package = find_package(onnxruntime_web)
        web_page.write_page(generator, folder, title(about["config"]), about, package)
    record = {
        **about,
        "format": format,
        "parameters": sum(math.prod(w.shape) for w in generator.trainable_weights),
        "signatures": signatures,
        "meanings": meanings(signatures, about["config"]),
        "difference": difference,
        "exported_with": versions.versions(),
        "time": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    write_text(folder / _card_name(record), model_card(record))
    record["files"] = {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": sha256_of_file(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    write_text(folder / RECORD, json.dumps(record, indent=2, allow_nan=False) + "\n")
    return record


def _card_name(record):
    return HUB_CARD if record.get("address") else CARD


def _export_saved_model(generator, folder, num_classes, warm):
    """Writes a SavedModel and checks it: see `write_network`."""
    requests = checks.warm_up_requests(generator, num_classes)
    _write_saved_model(generator, folder, num_classes)
    with ServedModel(folder) as served:
        signatures = served.signatures()
        difference = checks.compare(generator, served, num_classes)
        for name, inputs in requests:  # A server refuses a model if a request fails.
            served.run(name, inputs)
    if warm:
        checks.write_warmup_requests(folder, requests)
    return signatures, difference


def _write_saved_model(generator, folder, num_classes):
    """Writes the folded generator as a SavedModel, see `signatures.py`."""
    folded = fold_generator(generator)
    # `tf.saved_model.save` turns a Keras 3 model into a SavedModel that no server can
    # load: see `served_model.py`. The archive finds the variables of its endpoints. It
    # would write the variables of a tracked model twice.
    archive = keras.export.ExportArchive()
    for name, (function, specs) in make_signatures(folded, num_classes).items():
        archive.add_endpoint(name, function, specs)
    try:
        with without_notices():
            archive.write_out(str(folder), verbose=False)
    except tf.errors.OpError as error:
        text = f"The SavedModel could not be written to {folder}: {error.message}"
        raise OSError(f"{text} Try freeing disk space.") from error


def describe(record, output):
    """Describes a finished export and how to use it.

    Args:
        record: dict, the content of export.json.
        output: path of the export.

    Returns:
        List of str, lines for the user.
    """
    output, difference = pathlib.Path(output), record["difference"]
    weights = "a generator in memory"
    if record["step"] is not None:
        averaged = "averaged " if record["ema"] else ""
        weights = f"step {record['step']:,}, {averaged}weights"
    megabytes = sum(file["bytes"] for file in record["files"].values()) / 1e6
    lines = [
        f"{name:<16}{', '.join(tensors['inputs'])} -> {', '.join(tensors['outputs'])}"
        for name, tensors in record["signatures"].items()
    ]
    reader = "as a server does"
    if record["format"] in FORMATS:
        reader = f"by {FORMATS[record['format']].RUNTIME}"
    lines += [
        f"Loaded again, {reader}: images differ from the live generator's by at "
        f"most {difference['images']:.1e} in [-1, 1], pixels by "
        f"{difference['levels']} of 256 levels ({difference['num_images']} images).",
        f"{output}: {weights}, {megabytes:,.1f} MB on disk, "
        f"{record['parameters'] * 4 / 1e6:,.1f} MB of weights in memory; "
        f"{RECORD} and {_card_name(record)} have more details.",
    ]
    if record["format"] == SAVED_MODEL:
        return lines + _how_to_serve(record, output)
    if record["format"] == WEB:
        page = output / web_page.PAGE
        return [*lines, f"Open {page} in a browser. It needs no server and no network."]
    card = output / _card_name(record)
    return [*lines, f"{card} has the Python code that loads it."]


def _how_to_serve(record, output):
    lines, parent = [], output.absolute().parent
    if not output.name.isdecimal():
        lines.append(
            "TensorFlow Serving accepts only folders whose name is a number, the "
            f"version. Try --output={shlex.quote(str(output / '1'))} to serve it."
        )
    labels = {"labels": 0} if record["config"]["num_classes"] else {}
    row = {**labels, "seeds": 7, "truncation": 0.0}
    request = {"signature_name": "sample_png", "instances": [row]}
    name, place, address = (
        shlex.quote(text)
        for text in (
            f"MODEL_NAME={parent.name}",
            f"{parent}:/models/{parent.name}",
            f"http://localhost:8501/v1/models/{parent.name}:predict",
        )
    )
    return [
        *lines,
        "To serve it and to request an image (a PNG file in base64):",
        f"  docker run -p 8501:8501 -e {name} -v {place} tensorflow/serving:2.21.0",
        f"  curl -d '{json.dumps(request)}' {address}",
    ]
