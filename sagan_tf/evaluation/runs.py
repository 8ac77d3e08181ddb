"""Scores checkpoints and images for the command `evaluate`, and prints a table."""

import pathlib
import sys
import time

import tensorflow as tf

from sagan_tf.errors import BadInput
from sagan_tf.evaluation import evaluator
from sagan_tf.evaluation.comparison import TITLES
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
    """Scores what is given; prints how, and a table. Returns a list of the records.

    Args:
        how: `How`.
        output: path of the .jsonl file for the results without `workdir`, or `None`.
        watch_seconds: float, to follow the run with so many seconds between two looks;
            `None` to score what is there.
        workdir, checkpoint, samples, samples_split, saved_model, skip_bad_images: the
            flags of these names.

    Raises:
        BadInput: something cannot be read or scored.
    """
    print("\n".join(heading(how)), flush=True)
    log = output if workdir is None else _log(workdir)
    records = []

    def add(record):
        records.append(record)
        if log is not None:
            evaluator.write_record(record, log)

    if samples is not None:
        add(evaluator.score_samples(samples, how, samples_split, skip_bad_images))
    if saved_model is not None:
        add(evaluator.score_saved_model(saved_model, how))
    if workdir is not None:
        records += _score_run(how, workdir, checkpoint, watch_seconds)
    print("\n".join(table(records, how.network.describe)))
    for warning in dict.fromkeys(w for record in records for w in record["warnings"]):
        print(f"warning: {warning}", file=sys.stderr)
    return records


def wait_for_run(workdir, seconds):
    """Returns when a run has begun; looks every so many seconds."""
    path = pathlib.Path(workdir) / "config.json"
    if not path.exists():
        print(f"Waiting for {path}", file=sys.stderr)
    while not path.exists():
        time.sleep(seconds)


def evaluate_checkpoint(how, workdir, checkpoint):
    """Scores one checkpoint of a run; returns the record, and adds it to the log.

    Args:
        how: `How`.
        workdir: path of the run.
        checkpoint: step, `"newest"` or `"best"`.

    Raises:
        BadInput: there is no such checkpoint, or it is damaged.
    """
    with (how.strategy or tf.distribute.get_strategy()).scope():
        generator, config, _, step = building.load_generator(
            workdir, checkpoint, how.protocol.ema
        )
    record = evaluator.score_network(generator, how, config.num_classes, step)
    evaluator.write_record(record, _log(workdir))
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


def _score_run(how, workdir, checkpoint, watch_seconds):
    """Scores one checkpoint, or several with a line for each: list of records."""
    if watch_seconds is not None:
        scored = watch(how, workdir, watch_seconds)
    elif checkpoint != "all":
        return [evaluate_checkpoint(how, workdir, checkpoint)]
    elif steps := building.checkpoint_steps(workdir):
        scored = evaluate_all(how, workdir, steps)
    else:
        raise BadInput(
            f"{workdir} has no checkpoints yet. Try --watch to wait for them."
        )
    records = []
    for record in scored:
        values = [
            f"{how.network.describe(title)} {record['metrics'][name]:.4g}"
            for name, title in (("fid", "FID"), ("inception_score", "IS"))
        ]
        print(f"step {record['step']:,}: {', '.join(values)}", flush=True)
        records.append(record)
    return records


def heading(how):
    """Lines that name the protocol, the feature network and the real images."""
    network, about = how.network, how.reference.about
    return [
        *how.protocol.describe(),
        f"feature network: {network.name}, {network.num_features:,} features, sha256 "
        f"{network.hash[:12]}",
        f"real images: {how.reference.summary.count:,} of {about['description']}, "
        f"{about['resolution']} pixels, sha256 {about['content_hash'][:12]}",
    ]


def table(records, describe):
    """Lines of a table: a metric a row, a scored set of images a column.

    Args:
        records: list of dicts, see `evaluator.py`.
        describe: `FeatureNetwork.describe`, of the title "FID" for example.
    """
    starts = range(0, len(records), _PER_BLOCK)
    blocks = [_block(records[first : first + _PER_BLOCK], describe) for first in starts]
    return sum(blocks, [])


def _block(records, describe):
    heads = [_head(record) for record in records]
    rows = [("", heads), ("images", [f"{r['num_fake']:,}" for r in records])]
    for name, title in TITLES.items():
        values = [r["metrics"].get(name) for r in records]
        if any(value is not None for value in values):
            digits = _DIGITS.get(name, 4)
            shown = ["-" if v is None else f"{v:.{digits}f}" for v in values]
            rows.append((describe(title), shown))
    rows.append(("images/s", [f"{r['images_per_second']:,.1f}" for r in records]))
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
