"""What the command `evaluate` does: image after image scored, then a table."""

import pathlib
import sys
import time

import tensorflow as tf

from sagan_tf.distribution import strategies
from sagan_tf.errors import BadInput
from sagan_tf.evaluation import report
from sagan_tf.evaluation.evaluator import open_evaluator
from sagan_tf.evaluation.protocols import find_protocol
from sagan_tf.run import building, directory
from sagan_tf.run.checkpoints import CheckpointError
from sagan_tf.run.records import EVALUATIONS, draw_metrics

_DEFAULT_PROTOCOL = "quick-5k"


def prepare(
    *,
    workdir,
    protocol,
    changes,
    feature_network,
    inception,
    reference_statistics,
    intra_fid,
    batch_size,
    strategy,
    output,
    wait_seconds=None,
):
    """Opens feature network and reference, and says how numbers are made.

    What is not given is as the run was trained with: `--protocol`,
    `--feature_network`, `--inception`, `--reference_statistics`.

    Args:
        changes: dict of field of `Protocol` to value, see `Protocol.changed`.
        wait_seconds: float, to wait for a run that has not begun; `None` not to.
        workdir, protocol, feature_network, inception, reference_statistics, intra_fid,
            batch_size, strategy, output: the flags of these names.

    Returns:
        `Evaluator`.

    Raises:
        BadInput: network, reference or run cannot be used.
    """
    config = None
    if workdir is not None:
        if wait_seconds is not None:
            _wait_for_run(workdir, wait_seconds)
        config = directory.read_config(workdir)
        protocol = protocol or config.protocol
        feature_network = feature_network or config.feature_network
        inception = inception or config.inception
        reference_statistics = reference_statistics or config.reference_statistics
    elif reference_statistics is None:
        raise BadInput(
            "Without --workdir nothing says which real images to compare with. Try "
            "--reference_statistics=FILE, made by python -m "
            "sagan_tf.reference_statistics."
        )
    evaluator = open_evaluator(
        config,
        workdir,
        protocol=find_protocol(protocol or _DEFAULT_PROTOCOL).changed(changes),
        feature_network=feature_network or "inception",
        inception=inception,
        reference_statistics=reference_statistics,
        log=output,
        intra_fid=intra_fid,
        batch_size=batch_size,
        strategy=strategies.make_strategy(strategy),
    )
    heading = report.heading(evaluator.protocol, evaluator.network, evaluator.reference)
    print("\n".join(heading), flush=True)
    return evaluator


def score(
    evaluator,
    *,
    workdir=None,
    checkpoint="newest",
    samples=None,
    samples_split=None,
    saved_model=None,
    watch_seconds=None,
):
    """Scores what is given, and prints a table.

    Args:
        evaluator: `Evaluator`.
        watch_seconds: float, to follow the run with so many seconds between two looks;
            `None` to score what is there.
        workdir, checkpoint, samples, samples_split, saved_model: the flags of these
            names.

    Returns:
        List of the records.

    Raises:
        BadInput: something cannot be read or scored.
    """
    records = []
    if samples is not None:
        records.append(evaluator.score_samples(samples, samples_split))
    if saved_model is not None:
        records.append(evaluator.score_saved_model(saved_model))
    if workdir is not None:
        records += _score_run(evaluator, workdir, checkpoint, watch_seconds)
    print("\n".join(report.table(records, evaluator.network.describe)))
    for warning in dict.fromkeys(w for record in records for w in record["warnings"]):
        print(f"warning: {warning}", file=sys.stderr)
    return records


def evaluate_checkpoint(evaluator, workdir, checkpoint):
    """Scores one checkpoint of a run.

    Args:
        evaluator: `Evaluator`.
        workdir: path of the run.
        checkpoint: step, `"newest"` or `"best"`.

    Returns:
        The record.

    Raises:
        BadInput: there is no such checkpoint, or it is damaged.
    """
    with (evaluator.strategy or tf.distribute.get_strategy()).scope():
        generator, config, _, step = building.load_generator(
            workdir, checkpoint, evaluator.protocol.ema
        )
    record = evaluator.score_network(generator, config.num_classes, step)
    draw_metrics(workdir)
    return record


def evaluate_all(evaluator, workdir, steps):
    """Scores checkpoints that have no record yet; yields the records of all of them."""
    known = evaluator.recorded()
    for step in steps:
        if step in known:
            print(f"Step {step:,} is in {EVALUATIONS} already.", file=sys.stderr)
            yield known[step]
        else:
            yield evaluate_checkpoint(evaluator, workdir, step)


def watch(evaluator, workdir, every_seconds=30):
    """Follows a training: scores each new checkpoint, yields its record.

    Ends when the last step of the run is scored. A checkpoint that has been rotated
    away before its turn is left out, and named.

    Args:
        evaluator: `Evaluator`.
        workdir: path of the run.
        every_seconds: float, between two looks.
    """
    tried = set(evaluator.recorded())
    while True:
        new = [step for step in building.checkpoint_steps(workdir) if step not in tried]
        for step in new:
            tried.add(step)
            try:
                yield evaluate_checkpoint(evaluator, workdir, step)
            except CheckpointError as error:
                print(f"warning: step {step:,} is left out: {error}", file=sys.stderr)
        if directory.read_config(workdir).total_steps in tried:
            return
        if not new:
            time.sleep(every_seconds)


def _score_run(evaluator, workdir, checkpoint, watch_seconds):
    if watch_seconds is not None:
        found = watch(evaluator, workdir, watch_seconds)
    elif checkpoint == "all":
        steps = building.checkpoint_steps(workdir)
        if not steps:
            raise BadInput(
                f"{workdir} has no checkpoints yet. Try --watch to wait for them."
            )
        found = evaluate_all(evaluator, workdir, steps)
    else:
        found = [evaluate_checkpoint(evaluator, workdir, checkpoint)]
    records = []
    for record in found:
        if watch_seconds is not None or checkpoint == "all":
            _print_short(evaluator, record)
        records.append(record)
    return records


def _print_short(evaluator, record):
    values = [
        f"{evaluator.network.describe(title)} {record['metrics'][name]:.4g}"
        for name, title in (("fid", "FID"), ("inception_score", "IS"))
    ]
    print(f"step {record['step']:,}: {', '.join(values)}", flush=True)


def _wait_for_run(workdir, seconds):
    path = pathlib.Path(workdir) / "config.json"
    if not path.exists():
        print(f"Waiting for {path}", file=sys.stderr)
    while not path.exists():
        time.sleep(seconds)
