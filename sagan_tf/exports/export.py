"""From a generator to a SavedModel that is known to draw the same pictures.

The folder has, beside TensorFlow's own files:

export.json       where it comes from, its signatures, evaluations, sha256 of each file
model_card.md     the same for people
assets.extra/     requests with which TensorFlow Serving warms the model up
"""

import contextlib
import datetime
import hashlib
import json
import math
import pathlib

import keras
import tensorflow as tf

from sagan_tf.errors import BadInput
from sagan_tf.exports import warmup
from sagan_tf.exports.checks import compare, warm_up_requests
from sagan_tf.exports.folder import RECORD, export_folder
from sagan_tf.exports.model_card import model_card
from sagan_tf.exports.origin import origin_in_memory, origin_of_run
from sagan_tf.exports.served_model import ServedModel, without_notices
from sagan_tf.exports.signatures import make_signatures
from sagan_tf.files import write_text
from sagan_tf.networks.folding import fold_generator
from sagan_tf.run import building, versions

CARD = "model_card.md"


def export_run(
    workdir, output, *, checkpoint="newest", ema=True, overwrite=False, warm=True
):
    """Exports the generator of a run.

    It computes in float32, whatever precision the run was trained in.

    Args:
        workdir: path of the run.
        output: path of the new folder. TensorFlow Serving wants its name to be a
            number, the version of the model that its parent folder is named after.
        checkpoint, ema: see `rundir.load_generator`.
        overwrite: bool, whether an export that is there is replaced.
        warm: bool, whether requests for TensorFlow Serving's warm-up are written.

    Returns:
        The content of export.json: dict.

    Raises:
        BadInput: there is no run, no such checkpoint, `output` is taken, or the
            export does not draw what the generator draws.
        OSError: it cannot be written.
    """
    with export_folder(output, overwrite) as folder, _in_float32():
        generator, config, class_names, step = building.load_generator(
            workdir, checkpoint, ema
        )
        about = origin_of_run(workdir, checkpoint, ema, config, class_names, step)
        return _export(generator, folder, config.num_classes, about, warm)


def export_generator(
    generator, output, *, num_classes=0, class_names=(), overwrite=False, warm=True
):
    """Exports a generator that is in memory.

    Args:
        generator: from `build_generator`, e.g. the `generator` of a `SAGAN`. It is not
            changed.
        num_classes: int, 0 for an unconditional generator.
        class_names: sequence of str, by label; may be empty.
        output, overwrite, warm: see `export_run`.

    Returns:
        The content of export.json: dict. What only a run knows is `None` or empty.

    Raises:
        BadInput: `output` is taken, the generator does not compute in float32, has
            not as many inputs as `num_classes` says, or the export does not draw what
            it draws.
        OSError: it cannot be written.
    """
    _check(generator, num_classes)
    about = origin_in_memory(generator, num_classes, class_names)
    with export_folder(output, overwrite) as folder, _in_float32():
        return _export(generator, folder, num_classes, about, warm)


@contextlib.contextmanager
def _in_float32():
    """New layers compute in float32, also where a mixed-precision training ran."""
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
            "The generator must compute in float32, to compare its pictures. Received: "
            f"{', '.join(sorted(dtypes))}. Try exporting its run, which is read in "
            "float32: sagan_tf.export --workdir=DIR."
        )


def _export(generator, folder, num_classes, about, warm):
    """Writes everything into an empty folder; returns the content of export.json."""
    requests = warm_up_requests(generator, num_classes)
    write_saved_model(generator, folder, num_classes)
    with ServedModel(folder) as served:
        signatures = served.signatures()
        difference = compare(generator, served, num_classes)
        for name, inputs in requests:  # With one that fails a server would not start.
            served.run(name, inputs)
    if warm:
        warmup.write_warmup_requests(folder, requests)
    record = {
        **about,
        "parameters": sum(math.prod(w.shape) for w in generator.trainable_weights),
        "signatures": signatures,
        "difference": difference,
        "exported_with": versions.versions(),
        "time": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    write_text(folder / CARD, model_card(record))
    record["files"] = _describe_files(folder)
    write_text(folder / RECORD, json.dumps(record, indent=2, allow_nan=False) + "\n")
    return record


def write_saved_model(generator, folder, num_classes=0):
    """Writes the folded generator as a SavedModel, see `serving_signatures.py`.

    Args:
        generator: from `build_generator`.
        folder: path of an existing folder.
        num_classes: int, 0 for an unconditional generator.

    Raises:
        OSError: it cannot be written.
    """
    folded = fold_generator(generator)
    # What `tf.saved_model.save` makes of a Keras 3 model cannot be served: see
    # `served_model.py`. The archive finds the variables of its endpoints; those of a
    # model that it is told to track it writes twice.
    archive = keras.export.ExportArchive()
    for name, (function, specs) in make_signatures(folded, num_classes).items():
        archive.add_endpoint(name, function, specs)
    try:
        with without_notices():
            archive.write_out(str(folder), verbose=False)
    except tf.errors.OpError as error:
        raise OSError(
            f"The SavedModel could not be written to {folder}: {error.message} Try "
            "freeing disk space."
        ) from error


def describe(record, output):
    """What a person wants to know of a finished export, and what to do with it.

    Args:
        record: dict, the content of export.json.
        output: path of the export.

    Returns:
        List of lines.
    """
    output, config = pathlib.Path(output), record["config"]
    name, difference = output.absolute().parent.name, record["difference"]
    megabytes = sum(file["bytes"] for file in record["files"].values()) / 1e6
    rows = [
        f"{key:<16}{_names(found['inputs'])} -> {_names(found['outputs'])}"
        for key, found in record["signatures"].items()
    ]
    row = {"labels": 0} if config["num_classes"] else {}
    request = {
        "signature_name": "sample_png",
        "instances": [{**row, "seeds": 7, "truncation": 0.0}],
    }
    lines = [
        *rows,
        "Loaded again, as a server does: images differ from the live generator's by at "
        f"most {difference['images']:.1e} in [-1, 1], pixels by "
        f"{difference['levels']} of 256 levels ({difference['num_images']} images).",
        f"{output}: {_weights(record)}, {megabytes:,.1f} MB on disk, "
        f"{record['parameters'] * 4 / 1e6:,.1f} MB of weights in memory; "
        f"{RECORD} and {CARD} tell more.",
    ]
    if not output.name.isdecimal():
        lines.append(
            "TensorFlow Serving takes folders alone whose name is a number, the "
            f"version. Try --output={output / '1'} to serve it."
        )
    return [
        *lines,
        "To serve it, and to ask for a picture (base64 of a PNG file):",
        f"  docker run -p 8501:8501 -e MODEL_NAME={name} "
        f"-v {output.absolute().parent}:/models/{name} tensorflow/serving:2.21.0",
        f"  curl -d '{json.dumps(request)}' "
        f"http://localhost:8501/v1/models/{name}:predict",
    ]


def _names(tensors):
    return ", ".join(tensors)


def _weights(record):
    if record["step"] is None:
        return "a generator in memory"
    return f"step {record['step']:,}, {'averaged ' if record['ema'] else ''}weights"


def _describe_files(folder):
    """Size and sha256 of each file: dict of path in the folder to dict."""
    return {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
