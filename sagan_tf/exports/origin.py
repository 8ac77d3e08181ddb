"""Where exported weights come from: the part of export.json that a run tells."""

import json
import pathlib

from sagan_tf.errors import BadInput
from sagan_tf.run.records import EVALUATIONS, read_metrics


def origin_of_run(workdir, checkpoint, ema, config, class_names, step):
    """What the directory of a run tells.

    Args:
        workdir: path of the run.
        checkpoint, ema: what was asked for, see `rundir.load_generator`.
        config, class_names, step: what that returned.

    Returns:
        Dict that can be JSON.

    Raises:
        BadInput: one of its files is damaged.
    """
    has_ema = config.ema_decay is not None
    averaged = ema and has_ema
    return {
        "workdir": str(workdir),
        "checkpoint": str(checkpoint),
        "step": step,
        "ema": averaged,
        "config": json.loads(config.to_json()),
        "data": _read_json(workdir, "data.json", {}).get("description"),
        "class_names": list(class_names),
        "trained_with": _read_json(workdir, "versions.json", []),
        "imported": _imported(workdir),
        "evaluations": find_evaluations(workdir, step, averaged, has_ema),
    }


def origin_in_memory(generator, num_classes, class_names):
    """What can be seen of a generator without a run: the same keys, some without value.

    Args:
        generator: functional `keras.Model`.
        num_classes: int, 0 for an unconditional generator.
        class_names: sequence of str, by label; may be empty.

    Returns:
        Dict that can be JSON.
    """
    _, size, _, channels = generator.output.shape
    return {
        "workdir": None,
        "checkpoint": None,
        "step": None,
        "ema": None,
        "config": {
            "resolution": size,
            "image_channels": channels,
            "num_classes": num_classes,
            "z_dim": generator.inputs[0].shape[-1],
        },
        "data": None,
        "class_names": list(class_names),
        "trained_with": [],
        "imported": None,
        "evaluations": [],
    }


def find_evaluations(workdir, step, averaged, has_ema):
    """Evaluations of the very weights that are exported: the newest of each kind.

    Standing statistics are left out, since the export has the moving averages.

    Args:
        workdir: path of the run.
        step: int.
        averaged: bool, whether they are averaged weights.
        has_ema: bool, whether the run has them; without, a protocol that asks for them
            gets the others.

    Returns:
        List of records, see `evaluator.py`.
    """
    found = {}
    for record in read_metrics(pathlib.Path(workdir) / EVALUATIONS):
        protocol = record["protocol"]
        of_these = record["subject"] == "checkpoint" and record["step"] == step
        of_these = of_these and (protocol["ema"] and has_ema) == averaged
        if of_these and not protocol["standing_batches"]:
            hashes = record["network"]["hash"], record["reference"]["content_hash"]
            found[(protocol["name"], *hashes)] = record
    return list(found.values())


def _imported(workdir):
    """Where the weights of an imported run are from, or `None` for another one."""
    record = _read_json(workdir, "import.json", None)
    if record is None:
        return None
    return {
        key: record[key] for key in ("from", "written_by", "files", "step", "notes")
    }


def _read_json(workdir, name, default):
    path = pathlib.Path(workdir) / name
    if not path.exists():
        return default
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"{path} is damaged: {error}") from error
