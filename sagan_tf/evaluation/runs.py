"""Scores checkpoints and images for the command `evaluate`, and prints a table."""

import pathlib
import sys
import time

import tensorflow as tf

from sagan_tf.distribution import strategies
from sagan_tf.errors import BadInput
from sagan_tf.evaluation import evaluator, report
from sagan_tf.run import building, directory
from sagan_tf.run.checkpoints import CheckpointError
from sagan_tf.run.records import EVALUATIONS, draw_metrics


def prepare(
    workdir, *, given, changes, intra_fid, batch_size, strategy, wait_seconds=None
):
    """Opens feature network and reference, and prints how values are computed.

    Args:
        workdir: path of a run, or `None`.
        wait_seconds: float, to wait for a run that has not begun; `None` not to.
        strategy: str, its name.
        given, changes, intra_fid, batch_size: see `evaluator.open_how`.

    Returns:
        `How`.

    Raises:
        BadInput: network, reference or run cannot be used.
    """
    config = None
    if workdir is not None:
        if wait_seconds is not None:
            _wait_for_run(workdir, wait_seconds)
        config = directory.read_config(workdir)
    how = evaluator.open_how(
        config,
        workdir,
        given=given,
        changes=changes,
        intra_fid=intra_fid,
        batch_size=batch_size,
        strategy=strategies.make_strategy(strategy),
    )
    heading = report.heading(how.protocol, how.network, how.reference)
    print("\n".join(heading), flush=True)
    return how


def score(
    how,
    *,
    workdir=None,
    checkpoint="newest",
    samples=None,
    samples_split=None,
    saved_model=None,
    output=None,
    watch_seconds=None,
):
    """Scores what is given, and prints a table.

    Args:
        how: `How`.
        output: path of the .jsonl file for the results without `workdir`, or `None`.
        watch_seconds: float, to follow the run with so many seconds between two looks;
            `None` to score what is there.
        workdir, checkpoint, samples, samples_split, saved_model: the flags of these
            names.

    Returns:
        List of the records.

    Raises:
        BadInput: something cannot be read or scored.
    """
    log = output if workdir is None else _log(workdir)
    records = []
    if samples is not None:
        record = evaluator.score_samples(samples, how, samples_split)
        records.append(_written(record, log))
    if saved_model is not None:
        record = evaluator.score_saved_model(saved_model, how)
        records.append(_written(record, log))
    if workdir is not None:
        records += _score_run(how, workdir, checkpoint, watch_seconds)
    print("\n".join(report.table(records, how.network.describe)))
    for warning in dict.fromkeys(w for record in records for w in record["warnings"]):
        print(f"warning: {warning}", file=sys.stderr)
    return records


def evaluate_checkpoint(how, workdir, checkpoint):
    """Scores one checkpoint of a run, and adds the record to its evaluations.jsonl.

    Args:
        how: `How`.
        workdir: path of the run.
        checkpoint: step, `"newest"` or `"best"`.

    Returns:
        The record.

    Raises:
        BadInput: there is no such checkpoint, or it is damaged.
    """
    with (how.strategy or tf.distribute.get_strategy()).scope():
        generator, config, _, step = building.load_generator(
            workdir, checkpoint, how.protocol.ema
        )
    record = evaluator.score_network(generator, how, config.num_classes, step)
    _written(record, _log(workdir))
    draw_metrics(workdir)
    return record


def evaluate_all(how, workdir, steps):
    """Scores checkpoints that have no record yet; yields the records of all of them."""
    known = evaluator.recorded(_log(workdir), how)
    for step in steps:
        if step in known:
            print(f"Step {step:,} is in {EVALUATIONS} already.", file=sys.stderr)
            yield known[step]
        else:
            yield evaluate_checkpoint(how, workdir, step)


def watch(how, workdir, every_seconds=30):
    """Follows a training: scores each new checkpoint, yields its record.

    Ends when the last step of the run is scored. A checkpoint that the training has
    removed before its turn is skipped, with a warning.

    Args:
        how: `How`.
        workdir: path of the run.
        every_seconds: float, between two looks.
    """
    tried = set(evaluator.recorded(_log(workdir), how))
    while True:
        new = [step for step in building.checkpoint_steps(workdir) if step not in tried]
        for step in new:
            tried.add(step)
            try:
                yield evaluate_checkpoint(how, workdir, step)
            except CheckpointError as error:
                print(f"warning: step {step:,} is left out: {error}", file=sys.stderr)
        if directory.read_config(workdir).total_steps in tried:
            return
        if not new:
            time.sleep(every_seconds)


def _log(workdir):
    return pathlib.Path(workdir) / EVALUATIONS


def _written(record, log):
    """Writes a record to a log, if there is one, and returns it."""
    if log is not None:
        evaluator.write_record(record, log)
    return record


def _score_run(how, workdir, checkpoint, watch_seconds):
    if watch_seconds is None and checkpoint != "all":
        return [evaluate_checkpoint(how, workdir, checkpoint)]
    if watch_seconds is not None:
        records = watch(how, workdir, watch_seconds)
    else:
        steps = building.checkpoint_steps(workdir)
        if not steps:
            raise BadInput(
                f"{workdir} has no checkpoints yet. Try --watch to wait for them."
            )
        records = evaluate_all(how, workdir, steps)
    return [_print_short(how, record) for record in records]


def _print_short(how, record):
    """Prints FID and IS of a record, and returns it."""
    values = [
        f"{how.network.describe(title)} {record['metrics'][name]:.4g}"
        for name, title in (("fid", "FID"), ("inception_score", "IS"))
    ]
    print(f"step {record['step']:,}: {', '.join(values)}", flush=True)
    return record


def _wait_for_run(workdir, seconds):
    path = pathlib.Path(workdir) / "config.json"
    if not path.exists():
        print(f"Waiting for {path}", file=sys.stderr)
    while not path.exists():
        time.sleep(seconds)
