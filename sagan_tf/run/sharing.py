"""Copies the part of a run that goes with an export, to draw more and to fine-tune.

These are config.json, versions.json, evaluations.jsonl and import.json, unchanged;
data.json without the paths of images; and the checkpoint, which has both networks, the
averaged weights and the optimizers.
"""

import json
import pathlib
import shutil

from sagan_tf.files import write_text
from sagan_tf.run.building import find_checkpoint
from sagan_tf.run.directory import read_config
from sagan_tf.run.records import EVALUATIONS, find_json

_FILES = ("config.json", "versions.json", EVALUATIONS, "import.json")
_DATA = ("description", "num_images", "num_classes", "class_names")


def copy_run(workdir, step, folder):
    """Copies the part of a run that others need.

    The files of the checkpoint are hard links where the file system has them.

    Args:
        workdir: path of the run.
        step: int, of the checkpoint.
        folder: path of the new folder, which becomes the directory of a run.

    Raises:
        BadInput: there is no run or no such checkpoint, or it is damaged.
        OSError: the folder cannot be written.
    """
    workdir, folder = pathlib.Path(workdir), pathlib.Path(folder)
    checkpoints, step = find_checkpoint(workdir, read_config(workdir), step)
    folder.mkdir()
    for name in _FILES:
        if (workdir / name).exists():
            shutil.copyfile(workdir / name, folder / name)
    data = find_json(workdir / "data.json", {...: object}) or {}
    if data := {name: data[name] for name in _DATA if name in data}:
        write_text(folder / "data.json", json.dumps(data, indent=2) + "\n")
    checkpoints.keep_aside(step, folder / "checkpoints")
