"""Where exported weights come from: the part of export.json that a run tells."""

import json
import pathlib

from sagan_tf.run.records import EVALUATIONS, NUMBER, TEXT, find_json, read_metrics

_KEYS = ("from", "written_by", "files", "step", "notes")
# What a line of evaluations.jsonl must have to be about exported weights.
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
    """What the directory of a run tells.

    Args:
        workdir: path of the run.
        checkpoint, ema: what was asked for, see `building.load_generator`.
        config, class_names, step: what that returned.

    Returns:
        Dict that can be JSON.

    Raises:
        BadInput: one of its files is damaged.
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
    """What a generator without a run tells: the same keys, some without value.

    Args:
        generator: functional `keras.Model`.
        num_classes: int, 0 for an unconditional generator.
        class_names: sequence of str, by label; may be empty.

    Returns:
        Dict that can be JSON.
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
    """Evaluations of exactly the exported weights: the newest of each kind.

    Those with standing statistics are left out: the export has moving averages.

    Args:
        workdir: path of the run.
        step: int.
        averaged: bool, whether they are averaged weights.
        has_ema: bool, whether the run has averaged weights. Without them, protocols
            evaluate the weights as trained.

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
