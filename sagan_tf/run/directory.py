"""The run directory (*workdir*): what is in it, and networks back out of it.

config.json           the run's `Config`, with num_classes as the data set has it
data.json             description, num_images, num_classes and class_names of the data
versions.json         library versions and git commit, an entry for each change
metrics.jsonl, .csv   the means of each log interval
samples/              step_00001000.png: fixed z, a class per row
checkpoints/          step_00001000/, see `checkpoints.py`
best/                 the checkpoint with the lowest FID so far, never rotated away
evaluations.jsonl     results of evaluations, see `evaluator.py`
metrics.png           curves of metrics.jsonl and evaluations.jsonl
reference/            statistics of real images, made when they were first needed
tensorboard/          events, if TensorBoard is installed
health.jsonl, .png    figures of each look at the training, see `collapse_watch.py`
healthy/              the checkpoint to go back to, with on_collapse=rollback
collapsed/            the last checkpoint of a run that was rolled back
import.json           of an imported run: where its weights are from, see `importing.py`
"""

import dataclasses
import json
import pathlib
import platform
import subprocess
import sys
import time
import zlib

import keras
import numpy as np
import tensorflow as tf

from sagan_tf import __version__
from sagan_tf.distribution.workers import Workers
from sagan_tf.files import TEMPORARY, write_text
from sagan_tf.networks.builders import build_discriminator, build_generator
from sagan_tf.run.checkpoints import Checkpoints
from sagan_tf.settings.config import Config

BEST = "best"

# A file that another machine wrote may take a network file system this long to show.
_SECONDS_TO_APPEAR = 60

# Paths that may be others on every machine.
_OF_A_MACHINE = ("data_dir", "manual_dir")


def prepare(workdir, config, data, workers=None):
    """Makes or checks the run directory.

    Args:
        workdir: path; of several workers, one that all machines share.
        config: `Config`, `num_classes` resolved; the same on all workers.
        data: dict for data.json.
        workers: `Workers`, of which the chief alone writes.

    Returns:
        `Checkpoints`.

    Raises:
        ValueError: the directory holds a run with other networks, or a broken config;
            or workers have other settings, or another directory.
        OSError: it cannot be written.
    """
    workdir = pathlib.Path(workdir)
    workers = workers or Workers()
    checkpoints = Checkpoints(workdir / "checkpoints", config.keep_checkpoints)
    _check_same_settings(workers, config)
    if workers.is_chief:
        _write_descriptions(workdir, config, data, checkpoints)
    workers.wait()
    _check_visible(workdir / "config.json", workers)
    return checkpoints


def _write_descriptions(workdir, config, data, checkpoints):
    if (workdir / "config.json").exists():
        _check_same_networks(workdir, config)
    elif checkpoints.steps():
        raise ValueError(
            f"{workdir} has checkpoints but no config.json to tell their networks. "
            "Try another --workdir."
        )
    (workdir / "samples").mkdir(parents=True, exist_ok=True)
    checkpoints.remove_leftovers()
    for pattern in ("*.json.*", "metrics.*", "samples/step_*"):
        for leftover in workdir.glob(pattern + TEMPORARY):
            leftover.unlink()
    write_text(workdir / "config.json", config.to_json())
    write_text(workdir / "data.json", json.dumps(data, indent=2) + "\n")


def _check_same_settings(workers, config):
    settings = dataclasses.asdict(config)
    for name in _OF_A_MACHINE:
        del settings[name]
    hashes = [zlib.crc32(repr(value).encode()) for value in settings.values()]
    by_setting = zip(*workers.gather(*hashes))
    different = [name for name, seen in zip(settings, by_setting) if len(set(seen)) > 1]
    if different:
        values = ", ".join(f"{name}={settings[name]}" for name in different)
        raise ValueError(
            "All workers must have the same settings. Received: "
            f"{values} on {workers}, another value elsewhere. Try one command for all."
        )


def _check_visible(path, workers):
    """Checks that this worker sees what the chief has written."""
    deadline = time.monotonic() + _SECONDS_TO_APPEAR
    while not path.exists():
        if time.monotonic() > deadline:
            raise ValueError(
                "workdir must be one folder, on a file system that all workers share. "
                f"Received: {workers} does not see {path}, which worker 0 sees. "
                "Try a --workdir on a network file system."
            )
        time.sleep(0.5)


def read_config(workdir):
    """The `Config` of a run.

    Raises:
        ValueError: there is no run, or its config.json is damaged.
    """
    path = pathlib.Path(workdir) / "config.json"
    if not path.exists():
        raise ValueError(
            f"{workdir} is not the directory of a run: it has no config.json. "
            "Try the --workdir that was given to sagan_tf.train."
        )
    try:
        return Config.from_json(path.read_text(encoding="utf-8")).validate()
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def _check_same_networks(workdir, config):
    before = read_config(workdir)
    changed = before.network_difference(config)
    if changed:
        lines = [f"{name} was {a}, now {b}" for name, (a, b) in changed.items()]
        raise ValueError(
            f"{workdir} holds a run with other networks: {'; '.join(lines)}. "
            "Try another --workdir, or the same values."
        )
    for name, (old, new) in before.difference(config).items():
        print(f"{name} was {old}, now {new}")


def networks_from_config(config):
    """Builds the networks that a config with resolved `num_classes` describes.

    Returns:
        generator, discriminator: `keras.Model`, with new weights.

    Raises:
        ValueError: the networks are impossible.
    """
    common = {
        "resolution": config.resolution,
        "num_classes": config.num_classes,
        "image_channels": config.image_channels,
        "attention_variant": config.attention_variant,
        "attention_chunk_size": config.attention_chunk_size,
        "power_iterations": config.power_iterations,
        "stop_gradient": config.spectral_norm_stop_gradient,
        "clamp_sigma": config.spectral_norm_clamp,
        "initializer": config.initializer,
    }
    generator = build_generator(
        z_dim=config.z_dim,
        channels=config.generator_channels,
        attention_resolution=config.generator_attention,
        spectral_norm=config.spectral_norm == "both",
        batch_norm_momentum=config.batch_norm_momentum,
        final_batch_norm_momentum=config.final_batch_norm_momentum,
        batch_norm_epsilon=config.batch_norm_epsilon,
        cross_replica_batch_norm=config.cross_replica_batch_norm,
        normalize_tables=config.spectral_norm_conditional_batch_norm,
        **common,
    )
    discriminator = build_discriminator(
        channels=config.discriminator_channels,
        attention_resolution=config.discriminator_attention,
        spectral_norm=config.spectral_norm != "none",
        head=config.discriminator_head,
        **common,
    )
    return generator, discriminator


def load_generator(workdir, checkpoint="newest", ema=True):
    """The generator of a run, to use.

    Args:
        workdir: path of the run.
        checkpoint: `"newest"` for the newest good one, `"best"` for the one kept aside
            by `--evaluate_every_steps`, or a step.
        ema: bool, whether the averaged weights are read, if the run has them.

    Returns:
        generator (`keras.Model`), `Config`, class names (tuple of str, may be empty),
        step (int).

    Raises:
        ValueError: there is no run, no checkpoint, or it is damaged.
    """
    workdir = pathlib.Path(workdir)
    config = read_config(workdir)
    checkpoints, step = _find(workdir, config, checkpoint)
    generator, _ = networks_from_config(config)
    checkpoints.restore(step, {_generator_item(config, ema): generator})
    return generator, config, read_class_names(workdir), step


def load_networks(workdir, checkpoint="newest", ema=True):
    """Both networks of a run, to look into.

    Args:
        workdir, checkpoint, ema: see `load_generator`. The average is the generator's.

    Returns:
        generator, discriminator (`keras.Model`; `None` if the run was imported without
        one), `Config`, class names (tuple of str, may be empty), step (int).

    Raises:
        ValueError: see `load_generator`.
    """
    config = read_config(workdir)
    checkpoints, step = _find(pathlib.Path(workdir), config, checkpoint)
    generator, discriminator = networks_from_config(config)
    if "discriminator" not in checkpoints.items(step):
        discriminator = None
    networks = generator, discriminator
    _restore(checkpoints, step, config, networks, ema)
    return *networks, config, read_class_names(workdir), step


def restore_networks(workdir, config, networks, checkpoint="newest", ema=True):
    """Reads another checkpoint into networks that are there already.

    Args:
        workdir, checkpoint, ema: see `load_generator`.
        config: the run's `Config`.
        networks: generator and discriminator, as `networks_from_config` builds them;
            `None` in place of the discriminator leaves it out.

    Returns:
        The step.

    Raises:
        ValueError: see `load_generator`.
    """
    checkpoints, step = _find(pathlib.Path(workdir), config, checkpoint)
    _restore(checkpoints, step, config, networks, ema)
    return step


def _restore(checkpoints, step, config, networks, ema):
    generator, discriminator = networks
    items = {_generator_item(config, ema): generator}
    if discriminator is not None:
        items["discriminator"] = discriminator
    checkpoints.restore(step, items)


def _generator_item(config, ema):
    """What a checkpoint calls the generator, or its average."""
    return "ema_generator" if ema and config.ema_decay is not None else "generator"


def _find(workdir, config, checkpoint):
    """The `Checkpoints` that have a checkpoint, and its step."""
    checkpoints, best = (Checkpoints(workdir / name) for name in ("checkpoints", BEST))
    if checkpoint == "best":
        step = best.newest_good()
        if step is None:
            raise ValueError(
                f"{workdir} has no best checkpoint. Try training with "
                "--evaluate_every_steps, or --checkpoint=newest."
            )
        return best, step
    if checkpoint == "newest":
        step = checkpoints.newest_good()
        if step is None:
            raise ValueError(
                f"{workdir} has no checkpoints yet. Try again when the run has written "
                f"one (every {config.checkpoint_every_steps} steps and at the end)."
            )
        return checkpoints, step
    step = int(checkpoint)
    is_aside = step in best.steps() and step not in checkpoints.steps()
    return (best if is_aside else checkpoints), step


def checkpoint_steps(workdir):
    """Steps of a run's checkpoints, oldest first, the best one among them."""
    folders = (pathlib.Path(workdir) / name for name in ("checkpoints", BEST))
    return sorted({step for folder in folders for step in Checkpoints(folder).steps()})


def read_class_names(workdir):
    """The names of the classes, by label: tuple of str, empty if they have none."""
    path = pathlib.Path(workdir) / "data.json"
    if not path.exists():
        return ()
    return tuple(json.loads(path.read_text(encoding="utf-8"))["class_names"])


def record_versions(workdir, step):
    """Adds what is running now to versions.json, if it differs from the last entry."""
    path = pathlib.Path(workdir) / "versions.json"
    entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    now = versions()
    last = {k: v for k, v in entries[-1].items() if k != "from_step"} if entries else {}
    if now != last:
        entries.append({"from_step": step, **now})
        write_text(path, json.dumps(entries, indent=2) + "\n")


def versions():
    """What is running: versions of Python and libraries, git commit. A dict."""
    return {
        "sagan_tf": __version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        **git_state(),
    }


def git_state():
    """Commit of this package's checkout and whether it was changed since: a dict.

    Both are `None` for an installed package, and where there is no git.
    """
    package = pathlib.Path(__file__).parent.parent

    def git(*arguments):
        return subprocess.run(
            ["git", "-C", str(package), *arguments],
            capture_output=True,
            check=True,
            text=True,
        ).stdout.strip()

    try:
        # A package installed inside another project's checkout is not part of it.
        git("ls-files", "--error-unmatch", __file__)
        commit = git("rev-parse", "HEAD")
        changed = bool(git("status", "--porcelain", "--", "."))
    except (OSError, subprocess.CalledProcessError):
        return {"git_commit": None, "git_changed": None}
    return {"git_commit": commit, "git_changed": changed}


def find_start(checkpoints, items, workers=None):
    """Restores the newest good checkpoint, if there is one.

    Args:
        checkpoints: `Checkpoints`.
        items: dict of name to trackable object.
        workers: `Workers`; all of them read the checkpoint that the chief chooses.

    Returns:
        The step to go on from; 0 without checkpoints.

    Raises:
        ValueError: none of the checkpoints is good, or was imported without a
            discriminator; or this worker has not got the chief's.
    """
    workers = workers or Workers()
    newest = checkpoints.newest_good() if workers.is_chief else None
    ((chosen,), *_) = workers.gather(-1 if newest is None else newest)
    step = int(chosen)
    if step < 0:
        return 0
    _check_visible(checkpoints.path(step) / "checkpoint.json", workers)
    held = checkpoints.items(step)
    if "discriminator" in items and "discriminator" not in held:
        raise ValueError(
            f"{checkpoints.path(step)} was imported without a discriminator: it can be "
            "used, but not trained on. Try another --workdir."
        )
    # What was imported has no optimizers: these stay as they are, new.
    new = {name for name in items if name.endswith("_optimizer")} - held
    checkpoints.restore(step, {n: item for n, item in items.items() if n not in new})
    if workers.is_chief:
        if new:
            print("The checkpoint is an imported one: the optimizers begin anew.")
        checkpoints.remove_newer(step)
        print(f"Going on from step {step:,}: {checkpoints.path(step)}", file=sys.stderr)
    return step
