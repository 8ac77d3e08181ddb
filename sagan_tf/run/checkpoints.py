"""Checkpoints that are either whole or absent, and are verified when they are read.

A checkpoint is a folder `step_00001000/` with the files of `tf.train.Checkpoint` and
`checkpoint.json`: the step, and size and SHA-256 of each file. It is written under a
temporary name, flushed to the disk and renamed, so a run that is killed at any moment
leaves the earlier checkpoints untouched.

A checkpoint is bad if its content was read and is wrong. A file that cannot be read
raises an `OSError`, which stops a run. Files and links in the folder are never removed.
"""

import itertools
import json
import os
import pathlib
import re
import shutil
import stat
import sys

import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from sagan_tf.errors import BadInput
from sagan_tf.files import (
    TEMPORARY,
    is_real_folder,
    naming,
    replacing_folder,
    sha256_of_file,
    tidy_up,
)
from sagan_tf.run.records import read_json

# TensorFlow raises these for weights of other networks.
_MISFITS = (
    AssertionError,
    ValueError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
)
_PREFIX = "variables"
_MANIFEST = {"files": {...: {"bytes": int, "sha256": str}}}


class CheckpointError(BadInput):
    """A checkpoint is missing or damaged."""


class Checkpoints:
    """The checkpoints of one folder.

    Args:
        folder: path; the first `write` makes it.
        keep: int, the number of newest checkpoints to keep.
    """

    def __init__(self, folder, keep=3):
        self._folder = pathlib.Path(folder)
        self._keep = keep

    def steps(self):
        """Returns the steps of all checkpoints, good and bad, oldest first."""
        return sorted(self._folders())

    def path(self, step):
        """Returns the folder of one checkpoint.

        If something else has the usual name, the number gets more zeros.
        """
        return self._folders().get(step) or self._free_path(step)

    def strays(self):
        """Returns the paths that are named like checkpoints but are none: sorted."""
        others = set(self._entries()) - set(self._folders().values())
        return sorted(p for p in others if not (_is_left(p) and is_real_folder(p)))

    def _entries(self):
        """Lists the paths that are named like checkpoints.

        Raises:
            OSError: the folder, which may have checkpoints, cannot be read.
        """
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        return [self._folder / name for name in names if name.startswith("step_")]

    def _folders(self):
        """Returns a dict of step to folder, or to a link if the step has no folder."""
        folders = {}
        for path in sorted(sorted(self._entries()), key=os.path.islink):
            match = re.fullmatch(r"step_([0-9]+)", path.name)
            if match and _is_folder(path):
                folders.setdefault(int(match[1]), path)
        return folders

    def write(self, step, items):
        """Writes a checkpoint, removes the oldest ones, and returns its folder.

        Args:
            step: int. An older checkpoint of this step is replaced.
            items: dict of name to trackable object (models, optimizers, variables).

        Raises:
            OSError: the checkpoint cannot be written, for example because the disk is
                full. Older checkpoints stay.
        """
        final = self._path_to_write(step)
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

    def _path_to_write(self, step):
        """Returns `path`, but never a link, whose target is somebody else's."""
        path = self.path(step)
        return self._free_path(step) if path.is_symlink() else path

    def _free_path(self, step):
        paths = (self._folder / f"step_{step:0{n}d}" for n in itertools.count(8))
        return next(path for path in paths if not os.path.lexists(path))

    def keep_aside(self, step, folder):
        """Keeps a checkpoint in another folder, as the only one there.

        The files there are hard links, which take no more space, or copies if the file
        system has no hard links. The checkpoint that was there before is removed last:
        a run that is killed in between leaves both, and the next call removes one.

        Args:
            step: int.
            folder: path of the other folder, which `Checkpoints(folder)` reads.

        Returns:
            The folder of the checkpoint there.

        Raises:
            CheckpointError: the checkpoint is missing or damaged.
            OSError: the checkpoint cannot be read or kept; the one there stays.
        """
        self.check(step)
        aside = Checkpoints(folder)
        aside.remove_leftovers()
        final = aside._path_to_write(step)
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
        # checkpoint.json has the SHA-256 of all other files.
        ours = self.path(step) / "checkpoint.json"
        return ours.read_bytes() == (folder / "checkpoint.json").read_bytes()

    def check(self, step):
        """Verifies a checkpoint's files against its `checkpoint.json`.

        Raises:
            CheckpointError: a file is missing or differs; the message names it.
            OSError: a file exists and cannot be read. It may be good.
        """
        folder = self.path(step)
        if not _is_folder(folder):
            have = ", ".join(str(other) for other in self.steps()) or "none"
            raise CheckpointError(
                f"There is no checkpoint of step {step} in {self._folder}. "
                f"Received: step {step}; there are: {have}."
            )
        try:
            expected = read_json(folder / "checkpoint.json", _MANIFEST)["files"]
        except (FileNotFoundError, BadInput) as error:
            raise CheckpointError(
                f"{folder} has no valid checkpoint.json: {error}"
            ) from error
        if f"{_PREFIX}.index" not in expected:
            raise CheckpointError(f"{folder}/checkpoint.json lists no variables.")
        for name, entry in expected.items():
            _check_file(folder / name, entry)

    def newest_good(self):
        """Returns the newest step with a good checkpoint; names bad ones on stderr.

        Returns:
            int, or `None` if there are no checkpoints.

        Raises:
            CheckpointError: there are checkpoints, but none is good.
            OSError: a checkpoint cannot be read, so it may be good or bad.
        """
        for path in self.strays():
            print(
                f"warning: {path} is not the folder of a checkpoint. It is left as it "
                "is.",
                file=sys.stderr,
            )
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
        """Returns the names of a checkpoint's items, as given to `write`: a set.

        Raises:
            CheckpointError: the checkpoint is missing or damaged.
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
            CheckpointError: the checkpoint is damaged, or lacks values for an item.
        """
        held = self.items(step)
        missing = [name for name in items if name not in held]
        if missing:
            raise CheckpointError(
                f"{self.path(step)} has no {' and no '.join(missing)}. It holds: "
                f"{', '.join(sorted(held))}."
            )
        try:
            status = tf.train.Checkpoint(**items).read(str(self.path(step) / _PREFIX))
            status.assert_existing_objects_matched().expect_partial()
        except _MISFITS as error:
            reason = " ".join(str(error).split())[:300]
            raise CheckpointError(
                f"{self.path(step)} does not fit these networks, which config.json "
                f"describes: {reason.rstrip('.')}. Try the config.json of this run."
            ) from error

    def remove_newer(self, step):
        """Removes the checkpoints after `step`, but no links."""
        for other in self.steps():
            if other > step:
                _remove(self.path(other))

    def remove_leftovers(self):
        """Removes half-written files of killed runs, or moves back what they moved."""
        for path in filter(_is_left, self._entries()):
            name, *number, _ = path.name.split(".")
            tidy_up(self._folder / name)
            # `_remove` or version 0.1.0 left a name without a process number.
            if not any(part.isdecimal() for part in number):
                _remove(path)


def _check_file(path, entry):
    """Checks a file of a checkpoint against its entry in checkpoint.json."""
    try:
        with naming(path):
            status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError(f"{path} is missing.") from None
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointError(f"{path} is not a regular file.")
    if status.st_size != entry["bytes"]:
        raise CheckpointError(
            f"{path} has {status.st_size} bytes, not {entry['bytes']}."
        )
    if sha256_of_file(path) != entry["sha256"]:
        raise CheckpointError(f"{path} is damaged: its SHA-256 differs.")


def _is_folder(path):
    """Returns True if a path is a folder or a link to one.

    Raises:
        OSError: the system cannot tell.
    """
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        if os.path.islink(path):  # A circle of links, for example.
            return False
        raise


def _is_left(path):
    """Returns True if a path is named like a leftover of a killed process."""
    name = rf"step_[0-9]+(\.old)?(\.[0-9]+)?{re.escape(TEMPORARY)}"
    return re.fullmatch(name, path.name) is not None


def _write_manifest(folder, step):
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256_of_file(path)}
        for path in sorted(folder.iterdir())
    }
    text = json.dumps({"step": step, "files": files}, indent=2) + "\n"
    (folder / "checkpoint.json").write_text(text)


def _remove(path):
    """Removes a folder, but no file or link.

    A process that is killed half way leaves no damaged checkpoint.
    """
    if not is_real_folder(path):
        return
    if path.suffix != TEMPORARY:
        doomed = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")
        _remove(doomed)
        path = path.rename(doomed)
    shutil.rmtree(path)
