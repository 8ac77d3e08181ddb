"""Scores checkpoints and images for the command `evaluate`, and prints a table."""

import pathlib
import sys
import time

import tensorflow as tf

from sagan_tf.errors import BadInput
from sagan_tf.evaluation import evaluator
from sagan_tf.evaluation.comparison import TITLES
from sagan_tf.files import check_writable, is_stream
from sagan_tf.run import building, directory
from sagan_tf.run.checkpoints import CheckpointError
from sagan_tf.run.records import EVALUATIONS, draw_metrics

_PER_BLOCK = 3
_WIDTH, _LONGEST_HEAD = 13, 24
# Small numbers: KID is about a thousandth of FID.
_DIGITS = {"kid": 6, "kid_standard_error": 6}


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
    skip_bad_images=False,
):
    """Scores images or checkpoints; prints the setup and a table. Returns the records.

    The table is printed in any case, even if a result cannot be written.

    Args:
        how: `How`.
        output: path of the .jsonl file for the results without `workdir`, or `None`.
        watch_seconds: float, the seconds between two checks to follow the run; `None`
            to score only the existing checkpoints.
        workdir, checkpoint, samples, samples_split, saved_model, skip_bad_images: the
            flags of these names.

    Raises:
        BadInput: something cannot be read or scored.
        OSError: a result cannot be written; checked before the work, if possible.
    """
    log = check_log(workdir, output)
    print("\n".join(heading(how)), flush=True)
    records = []
    try:
        if samples is not None:
            records.append(
                evaluator.score_samples(samples, how, samples_split, skip_bad_images)
            )
            _write(records[-1], log)
        if saved_model is not None:
            records.append(evaluator.score_saved_model(saved_model, how))
            _write(records[-1], log)
        if workdir is not None:
            _score_run(how, workdir, checkpoint, watch_seconds, records)
    finally:
        if records:
            _print(records, how)
    return records


def check_log(workdir=None, output=None):
    """Checks and returns the .jsonl file of the results: path, or `None`.

    Args:
        workdir, output: see `score`.

    Raises:
        BadInput: `output` has another suffix.
        OSError: the file cannot be written.
    """
    is_log = output is None or is_stream(output) or str(output).endswith(".jsonl")
    if not is_log:
        raise BadInput(
            f"--output must be a .jsonl file. Received: {output}. Try "
            "--output=results.jsonl."
        )
    log = output if workdir is None else _log(workdir)
    # A missing folder is not a run: that error comes later.
    if log is not None and (workdir is None or pathlib.Path(workdir).is_dir()):
        check_writable(log)
    return log


def _write(record, log):
    if log is not None:
        evaluator.write_record(record, log)


def _print(records, how):
    print("\n".join(table(records, how.network.describe)), flush=True)
    warnings = (w for record in records for w in record.get("warnings", ()))
    for warning in dict.fromkeys(warnings):
        print(f"warning: {warning}", file=sys.stderr)


def wait_for_run(workdir, seconds):
    """Waits until a run has begun; checks again after each pause of `seconds`."""
    path = pathlib.Path(workdir) / "config.json"
    if not path.exists():
        print(f"Waiting for {path}", file=sys.stderr)
    while not path.exists():
        time.sleep(seconds)


def evaluate_checkpoint(how, workdir, checkpoint, records=None):
    """Scores one checkpoint of a run; returns the record, and adds it to the log.

    Args:
        how: `How`.
        workdir: path of the run.
        checkpoint: step, `"newest"` or `"best"`.
        records: list that gets the record before it is written, or `None`.

    Raises:
        BadInput: there is no such checkpoint, or it is damaged.
        OSError: the checkpoint cannot be read, or the record cannot be written.
    """
    generator, config, step = _load(how, workdir, checkpoint)
    return _score_checkpoint(how, workdir, generator, config, step, records)


def _load(how, workdir, checkpoint):
    with (how.strategy or tf.distribute.get_strategy()).scope():
        generator, config, _, step = building.load_generator(
            workdir, checkpoint, how.protocol.ema
        )
    return generator, config, step


def _score_checkpoint(how, workdir, generator, config, step, records):
    record = evaluator.score_network(generator, how, config.num_classes, step)
    if records is not None:
        records.append(record)
    evaluator.write_record(record, _log(workdir))
    draw_metrics(workdir)
    return record


def _evaluate_if_good(how, workdir, step, records):
    """Yields the record of a checkpoint; only prints a warning if it is damaged."""
    try:
        loaded = _load(how, workdir, step)
    except (CheckpointError, OSError) as error:
        print(f"warning: step {step:,} is left out: {error}", file=sys.stderr)
        return
    yield _score_checkpoint(how, workdir, *loaded, records)


def evaluate_all(how, workdir, steps, records=None):
    """Scores checkpoints that have no record yet; yields the records of all of them.

    A damaged checkpoint is left out, with a warning.

    Args:
        how, workdir, records: see `evaluate_checkpoint`.
        steps: steps of the checkpoints.
    """
    known = evaluator.recorded(_log(workdir), how)
    for step in steps:
        if step in known:
            print(f"Step {step:,} is in {EVALUATIONS} already.", file=sys.stderr)
            if records is not None:
                records.append(known[step])
            yield known[step]
        else:
            yield from _evaluate_if_good(how, workdir, step, records)


def watch(how, workdir, every_seconds=30, records=None):
    """Follows a training: scores each new checkpoint, yields its record.

    Ends when the last step of the run is scored. A checkpoint is skipped, with a
    warning, if it is damaged or if the training removed it before its turn.

    Args:
        how: `How`.
        workdir: path of the run.
        every_seconds: float, seconds between two checks.
        records: see `evaluate_checkpoint`.
    """
    tried = set(evaluator.recorded(_log(workdir), how))
    while True:
        new = [step for step in building.checkpoint_steps(workdir) if step not in tried]
        for step in new:
            tried.add(step)
            yield from _evaluate_if_good(how, workdir, step, records)
        if directory.read_config(workdir).total_steps in tried:
            return
        if not new:
            time.sleep(every_seconds)


def _log(workdir):
    return pathlib.Path(workdir) / EVALUATIONS


def _score_run(how, workdir, checkpoint, watch_seconds, records):
    """Adds the record of one checkpoint; or of several, and prints a line for each."""
    if watch_seconds is not None:
        scored = watch(how, workdir, watch_seconds, records)
    elif checkpoint != "all":
        evaluate_checkpoint(how, workdir, checkpoint, records)
        return
    elif steps := building.checkpoint_steps(workdir):
        scored = evaluate_all(how, workdir, steps, records)
    else:
        raise BadInput(
            f"{workdir} has no checkpoints yet. Try --watch to wait for them."
        )
    before = len(records)
    for record in scored:
        values = [
            f"{how.network.describe(title)} {record['metrics'][name]:.4g}"
            for name, title in (("fid", "FID"), ("inception_score", "IS"))
            if record["metrics"].get(name) is not None
        ]
        print(f"step {record['step']:,}: {', '.join(values)}", flush=True)
    if len(records) == before and watch_seconds is None:
        raise BadInput(
            f"{workdir} must have a checkpoint that can be evaluated. Received: steps "
            f"{', '.join(map(str, steps))}, none of which is good. See the warnings."
        )


def heading(how):
    """Returns lines that name the protocol, the feature network and the real images."""
    network, about = how.network, how.reference.about
    return [
        *how.protocol.describe(how.reference.summary.count),
        f"feature network: {network.name}, {network.num_features:,} features, sha256 "
        f"{network.hash[:12]}",
        f"real images: {how.reference.summary.count:,} of {about['description']}, "
        f"{about['resolution']} pixels, sha256 {about['content_hash'][:12]}",
    ]


def table(records, describe):
    """Returns a table's lines: a row for each metric, a column for each record.

    Args:
        records: list of dicts, see `evaluator.py`.
        describe: `FeatureNetwork.describe`, a function of a title such as "FID".
    """
    starts = range(0, len(records), _PER_BLOCK)
    blocks = [_block(records[first : first + _PER_BLOCK], describe) for first in starts]
    return sum(blocks, [])


def _block(records, describe):
    heads = [_head(record) for record in records]
    rows = [("", heads), ("images", [f"{r.get('num_fake', 0):,}" for r in records])]
    for name, title in TITLES.items():
        values = [r["metrics"].get(name) for r in records]
        if any(value is not None for value in values):
            digits = _DIGITS.get(name, 4)
            shown = ["-" if v is None else f"{v:.{digits}f}" for v in values]
            rows.append((describe(title), shown))
    rows.append(
        ("images/s", [f"{r.get('images_per_second', 0):,.1f}" for r in records])
    )
    widths = [max(_WIDTH, len(head) + 2) for head in heads]
    name_width = max(len(name) for name, _ in rows)
    lines = [""]
    for name, cells in rows:
        padded = "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths))
        lines.append(name.ljust(name_width) + padded)
    return lines


def _head(record):
    if record["step"] is not None:
        return f"step {record['step']:,}"
    subject = str(record["subject"])
    is_long = len(subject) > _LONGEST_HEAD
    return "..." + subject[3 - _LONGEST_HEAD :] if is_long else subject
