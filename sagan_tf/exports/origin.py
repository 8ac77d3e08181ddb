"""The origin of exported weights: the part of export.json that describes a run."""

import json
import pathlib

from sagan_tf.run.records import EVALUATIONS, NUMBER, TEXT, find_json, read_metrics

_KEYS = ("from", "written_by", "files", "step", "notes")
# The fields that a line of evaluations.jsonl must have.
_RECORD = {
    "subject": str,
    "step": (int, type(None)),
    **dict.fromkeys(("num_fake", "num_real"), int),
    "protocol": {"name": str, "ema": bool, "standing_batches": int},
    "network": {"name": str, "hash": str, "is_inception": bool},
    "reference": {"content_hash": str, "description": str},
    "metrics": {...: NUMBER},
    "warnings": [str],
}


def origin_of_run(workdir, checkpoint, ema, config, class_names, step):
    """Reads the origin of weights from the directory of a run.

    Args:
        workdir: path of the run.
        checkpoint, ema: arguments of `building.load_generator`.
        config, class_names, step: results of `building.load_generator`.

    Returns:
        Dict for JSON.

    Raises:
        BadInput: a file of the run is damaged.
    """
    has_ema = config.ema_decay is not None
    workdir = pathlib.Path(workdir)
    imported = find_json(workdir / "import.json", dict.fromkeys(_KEYS, object))
    data = find_json(workdir / "data.json", {"description?": TEXT}) or {}
    return {
        "workdir": str(workdir),
        "checkpoint": str(checkpoint),
        "step": step,
        "ema": ema and has_ema,
        "data": data.get("description"),
        "imported": imported and {key: imported[key] for key in _KEYS},
        "trained_with": find_json(workdir / "versions.json", [{}]) or [],
        "evaluations": find_evaluations(workdir, step, ema and has_ema, has_ema),
        "config": json.loads(config.to_json()),
        "class_names": list(class_names),
    }


def origin_in_memory(generator, num_classes, class_names):
    """Returns the same keys for a generator without a run, some without value.

    Args:
        generator: functional `keras.Model`.
        num_classes: int, 0 for an unconditional generator.
        class_names: sequence of str, by label; may be empty.

    Returns:
        Dict for JSON.
    """
    _, size, _, channels = generator.output.shape
    config = {
        "resolution": size,
        "image_channels": channels,
        "num_classes": num_classes,
        "z_dim": generator.inputs[0].shape[-1],
    }
    return {
        **dict.fromkeys(("workdir", "checkpoint", "step", "ema", "data", "imported")),
        "trained_with": [],
        "evaluations": [],
        "config": config,
        "class_names": list(class_names),
    }


def find_evaluations(workdir, step, averaged, has_ema):
    """Finds the newest evaluation of each kind for exactly the exported weights.

    Leaves out those with standing statistics, because the export has moving averages.

    Args:
        workdir: path of the run.
        step: int.
        averaged: bool, whether the exported weights are averaged.
        has_ema: bool, whether the run has averaged weights. Without them, protocols
            evaluate the trained weights.

    Returns:
        List of records, see `evaluator.py`.
    """
    newest = {}
    for record in read_metrics(pathlib.Path(workdir) / EVALUATIONS, _RECORD):
        protocol = record["protocol"]
        weights = record["subject"], record["step"], protocol["ema"] and has_ema
        is_exported = weights == ("checkpoint", step, averaged)
        if is_exported and not protocol["standing_batches"]:
            hashes = record["network"]["hash"], record["reference"]["content_hash"]
            newest[(protocol["name"], *hashes)] = record
    return list(newest.values())
