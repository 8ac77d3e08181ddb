"""Checkpoints that are whole or absent, and known to be good when they are read.

A checkpoint is a folder `step_00001000/` with the files of `tf.train.Checkpoint` and
`checkpoint.json`: the step, and size and SHA-256 of each file. It is written under a
temporary name, flushed to the disk and renamed, so a run that is killed at any moment
leaves the earlier checkpoints untouched.
"""

import json
import os
import pathlib
import re
import shutil
import sys

import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from sagan_tf.errors import BadInput
from sagan_tf.files import TEMPORARY, replacing_folder, sha256_of_file, tidy_up

_PREFIX = "variables"


class CheckpointError(BadInput):
    """A checkpoint is missing or damaged."""


class Checkpoints:
    """The checkpoints of one folder.

    Args:
        folder: path; made by the first `write`.
        keep: int, newest checkpoints that stay.
    """

    def __init__(self, folder, keep=3):
        self._folder = pathlib.Path(folder)
        self._keep = keep

    def steps(self):
        """The steps of all checkpoints, good and bad, oldest first."""
        names = (path.name for path in self._folder.glob("step_*"))
        matches = (re.fullmatch(r"step_(\d+)", name) for name in names)
        return sorted(int(match[1]) for match in matches if match)

    def path(self, step):
        """The folder of one checkpoint."""
        return self._folder / f"step_{step:08d}"

    def write(self, step, items):
        """Writes a checkpoint, then removes the oldest ones. Returns its folder.

        Args:
            step: int. An older checkpoint of this step is replaced.
            items: dict of name to trackable object (models, optimizers, variables).

        Raises:
            OSError: it cannot be written, for example because the disk is full. Older
                checkpoints stay.
        """
        final = self.path(step)
        try:
            with replacing_folder(final, flush=True) as temporary:
                tf.train.Checkpoint(**items).write(str(temporary / _PREFIX))
                _write_manifest(temporary, step)
        except tf.errors.OpError as error:
            raise OSError(
                f"The checkpoint of step {step} could not be written to {final}: "
                f"{error.message} Try freeing disk space."
            ) from error
        for old in self.steps()[: -self._keep]:
            _remove(self.path(old))
        return final

    def keep_aside(self, step, folder):
        """Makes a checkpoint the only one of another folder, which keeps it.

        The files get a second name there (a hard link), so they take no more space, or
        are copied where the file system has no hard links. The checkpoint that was
        there before is removed last: a run that is killed in between leaves both, and
        the next call removes one.

        Args:
            step: int.
            folder: path of the other folder, which `Checkpoints(folder)` reads.

        Returns:
            The folder of the checkpoint there.

        Raises:
            CheckpointError: the checkpoint is missing or damaged.
            OSError: it cannot be kept; the checkpoint there stays.
        """
        self.check(step)
        aside = Checkpoints(folder)
        aside.remove_leftovers()
        final = aside.path(step)
        if not aside._has_copy_of(self.path(step), step):
            with replacing_folder(final, flush=True) as temporary:
                for path in self.path(step).iterdir():
                    try:
                        os.link(path, temporary / path.name)
                    except OSError:  # Another file system, or one without hard links.
                        shutil.copyfile(path, temporary / path.name)
        for other in aside.steps():
            if other != step:
                _remove(aside.path(other))
        return final

    def _has_copy_of(self, folder, step):
        try:
            self.check(step)
        except CheckpointError:
            return False
        # It has the SHA-256 of all other files.
        ours = self.path(step) / "checkpoint.json"
        return ours.read_bytes() == (folder / "checkpoint.json").read_bytes()

    def check(self, step):
        """Verifies a checkpoint's files against its `checkpoint.json`.

        Raises:
            CheckpointError: something is missing or differs, and what.
        """
        folder = self.path(step)
        if not folder.is_dir():
            have = ", ".join(str(other) for other in self.steps()) or "none"
            raise CheckpointError(
                f"There is no checkpoint of step {step} in {self._folder}. "
                f"Received: step {step}; there are: {have}."
            )
        try:
            manifest = json.loads((folder / "checkpoint.json").read_text())
            expected = dict(manifest["files"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{folder}: checkpoint.json cannot be read: {error}"
            ) from error
        for name, entry in expected.items():
            path = folder / name
            if not path.is_file():
                raise CheckpointError(f"{path} is missing.")
            if (size := path.stat().st_size) != entry["bytes"]:
                raise CheckpointError(f"{path} has {size} bytes, not {entry['bytes']}.")
            if sha256_of_file(path) != entry["sha256"]:
                raise CheckpointError(f"{path} is damaged: its SHA-256 differs.")

    def newest_good(self):
        """The newest step whose checkpoint is good. Bad ones are named on stderr.

        Returns:
            int, or `None` if there are no checkpoints.

        Raises:
            CheckpointError: there are checkpoints, and none is good.
        """
        steps = self.steps()
        for step in reversed(steps):
            try:
                self.check(step)
                return step
            except CheckpointError as error:
                print(f"warning: skipping a bad checkpoint: {error}", file=sys.stderr)
        if steps:
            raise CheckpointError(
                f"None of the checkpoints in {self._folder} is good. Received: steps "
                f"{', '.join(map(str, steps))}, all damaged. Try removing the folder "
                "to start from the beginning."
            )
        return None

    def items(self, step):
        """The names of a checkpoint's items, as they were given to `write`: a set.

        Raises:
            CheckpointError: it is missing or damaged.
        """
        self.check(step)
        reader = tf.train.load_checkpoint(str(self.path(step) / _PREFIX))
        graph = trackable_object_graph_pb2.TrackableObjectGraph()
        graph.ParseFromString(reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"))
        return {child.local_name for child in graph.nodes[0].children}

    def restore(self, step, items):
        """Reads a checkpoint into objects.

        Args:
            step: int.
            items: as for `write`, or some of them.

        Raises:
            CheckpointError: it is damaged, or lacks values for an item.
        """
        held = self.items(step)
        missing = [name for name in items if name not in held]
        if missing:
            raise CheckpointError(
                f"{self.path(step)} has no {' and no '.join(missing)}. It holds: "
                f"{', '.join(sorted(held))}."
            )
        status = tf.train.Checkpoint(**items).read(str(self.path(step) / _PREFIX))
        try:
            status.assert_existing_objects_matched().expect_partial()
        except AssertionError as error:
            raise CheckpointError(
                f"{self.path(step)} does not fit these networks: {error}"
            ) from error

    def remove_newer(self, step):
        """Removes the checkpoints after `step`."""
        for other in self.steps():
            if other > step:
                _remove(self.path(other))

    def remove_leftovers(self):
        """Removes what killed runs left half written, or moves back what they moved."""
        for path in list(self._folder.glob(f"step_*{TEMPORARY}")):
            name, *number, _ = path.name.split(".")
            tidy_up(self._folder / name)
            # Without the number of a process: what `_remove` or version 0.1.0 left.
            if not any(part.isdecimal() for part in number):
                _remove(path)


def _write_manifest(folder, step):
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256_of_file(path)}
        for path in sorted(folder.iterdir())
    }
    text = json.dumps({"step": step, "files": files}, indent=2) + "\n"
    (folder / "checkpoint.json").write_text(text)


def _remove(path):
    """Removes a folder; when killed half way, no damaged checkpoint is left."""
    if path.suffix != TEMPORARY and path.exists():
        doomed = path.with_name(f"{path.name}{TEMPORARY}")
        _remove(doomed)
        path = path.rename(doomed)
    if path.exists():
        shutil.rmtree(path)
