"""Fine-tuning: starts a new run with another run's weights.

The new run takes all values of the generator, its moving average and the discriminator:
weights, `u` and moving statistics. The optimizers and the step are new.

Rows of class tables are matched by class name. The row of a new class is the mean of
all old ones: the layers behind a table have learned to work with such values, and an
image of a new class starts as an average of the known ones. Rows that start equal do
not stay equal, because each gets the gradients of its own class alone.
"""

import json
import pathlib
import re

import numpy as np

from sagan_tf.distribution.workers import Workers
from sagan_tf.errors import BadInput
from sagan_tf.files import write_text
from sagan_tf.hub import find_run
from sagan_tf.networks.variable_names import variables_by_name
from sagan_tf.run import building, directory
from sagan_tf.run.records import find_json
from sagan_tf.settings.network_fields import check_starting_weights

# The file in the new run's directory that says where its weights come from.
RECORD = "initialized.json"
_FORM = {"step": int, ...: object}
# Variables with an axis of classes, and that axis. The `u` of a table or a classifier
# has a value for each class: it is a singular vector of the matrix of all rows.
_CLASS_AXES = (
    (r"block_\d+x\d+/batch_norm_\d/(gamma|beta)", 0),
    (r".*/embeddings", 0),
    (r".*/classifier/bias", 0),
    (r".*/classifier/kernel", 1),
    (r".*/(gain|bias|embedding|classifier)/u", 1),
)
# A line gives this many class names; it only counts the others.
_NAMED = 8


def read_source(path):
    """Reads the `Config` of a run that a new one can start from.

    Args:
        path: path of the run, `initialize_from`; see `hub.find_run`.

    Raises:
        BadInput: it is not the folder of a run, or cannot be downloaded.
    """
    folder = pathlib.Path(find_run(path))
    if folder.is_file() or (folder / "export.json").exists():
        kind = "a file" if folder.is_file() else "an export"
        raise BadInput(
            "--initialize_from needs the folder of a run, which has both networks. "
            f"Received: {path}, {kind}. An export has the generator alone, in a form "
            "that cannot be trained. Try the --workdir of the exported run."
        )
    return directory.read_config(folder)


def load_source(config, checkpoint="newest"):
    """Loads the run that a new one starts with, not averaged.

    Args:
        config: `Config` of the new run, with `initialize_from`.
        checkpoint: see `building.load_generator`.

    Returns:
        Path of its local folder, and the results of `building.load_networks`.

    Raises:
        BadInput: there is no such run or no checkpoint, or it has no discriminator or
            other networks.
    """
    source = config.initialize_from
    folder = find_run(source)  # Once: the next time, the Hub may have another commit.
    check_starting_weights(read_source(folder), config)
    loaded = building.load_networks(folder, checkpoint, ema=False)
    if loaded[1] is None:
        raise BadInput(
            f"--initialize_from needs a run with both networks. Received: {source}, "
            "which was imported without a discriminator. Try another run."
        )
    return folder, *loaded


def initialize(model, config, class_names, workdir, workers=None):
    """Gives a new model the weights of the newest checkpoint of another run.

    Args:
        model: `SAGAN` of the new run; its networks change in place.
        config: `Config` of the new run, with `initialize_from` and a resolved
            `num_classes`.
        class_names: sequence of str, by label; empty if they are not known.
        workdir: path of the new run. If it was initialized before, and killed before
            its first checkpoint, it gets the same weights again.
        workers: `Workers`; all of them read the weights.

    Returns:
        Dict for initialized.json: workdir and step of the source, `num_classes` of the
        source, and for each class of the new run the label whose rows it has, `None`
        for the mean of all rows.

    Raises:
        BadInput: there is no such run or no checkpoint, it has no discriminator or
            other networks, or the workers see different checkpoints.
    """
    source = config.initialize_from
    before = find_json(pathlib.Path(workdir) / RECORD, _FORM)
    folder, generator, discriminator, old, old_names, step = load_source(
        config, before["step"] if before else "newest"
    )
    if len({int(seen) for (seen,) in (workers or Workers()).gather(step)}) > 1:
        raise BadInput(
            f"All workers must see the same checkpoints of {source}. Received: step "
            f"{step} here, another one elsewhere. Try again when its training ends."
        )
    rows = match_classes(old.num_classes, old_names, config.num_classes, class_names)
    take(model.discriminator, discriminator, old.num_classes, rows)
    take(model.generator, generator, old.num_classes, rows)
    if model.ema_generator is not None:
        if old.ema_decay is not None:
            building.restore_networks(folder, old, (generator, None), step)
        take(model.ema_generator, generator, old.num_classes, rows)
    names = class_names or [f"class {label}" for label in range(len(rows))]
    classes = [{"name": name, "from": row} for name, row in zip(names, rows)]
    return {
        "workdir": str(source),
        "step": step,
        "num_classes": old.num_classes,
        "classes": classes,
    }


def match_classes(old_count, old_names, count, names):
    """Finds the old class that each new class continues.

    If the names of both are known, they decide; otherwise an equal number of classes
    does.

    Args:
        old_count, count: int, numbers of classes; 0 for none.
        old_names, names: sequences of str, by label; empty if they are not known.

    Returns:
        List of the old label of each new class, `None` for a class that is new. It is
        empty if the new run has no classes.
    """
    if old_names and names and len(old_names) == old_count and len(names) == count:
        old = {name: label for label, name in reversed([*enumerate(old_names)])}
        return [old.get(name) for name in names]
    return [label if count == old_count else None for label in range(count)]


def take(network, source, old_count, rows):
    """Gives a network the values of another one that differs only in its classes.

    A table that the source lacks keeps its initial values. A discriminator's head
    without classes lacks one.

    Args:
        network, source: `keras.Model`.
        old_count: int, classes of the source; 0 for none.
        rows: of `match_classes`.
    """
    old = variables_by_name(source)
    for name, variable in variables_by_name(network).items():
        axis = class_axis(name)
        if axis is None:
            variable.assign(old[name].numpy())
        elif name in old:
            table = old[name].numpy()
            table = table if old_count else table[None]
            variable.assign(_chosen(table, axis, rows))


def class_axis(name):
    """Returns the axis of classes of a variable, by its name; `None` without one."""
    axes = (axis for pattern, axis in _CLASS_AXES if re.fullmatch(pattern, name))
    return next(axes, None)


def _chosen(table, axis, rows):
    """Returns chosen rows of a table along an axis; the mean of all without `rows`."""
    mean = table.mean(axis)
    if not rows:
        return mean
    values = [mean if row is None else table.take(row, axis) for row in rows]
    return np.stack(values, axis)


def describe(record):
    """Describes the result of `initialize` in a line: str."""
    count = record["num_classes"]
    new = [each["name"] for each in record["classes"] if each["from"] is None]
    taken = len(record["classes"]) - len(new)
    parts = [f"those of {record['workdir']}, step {record['step']:,}"]
    if taken:
        parts.append(f"class tables: rows of {taken} of its {count} classes")
    if new:
        more = f" and {len(new) - _NAMED} more" if len(new) > _NAMED else ""
        what = f"the mean of its {count} rows" if count else "its one row"
        parts.append(f"new classes, with {what}: {', '.join(new[:_NAMED])}{more}")
    if new and not count:
        parts.append("the discriminator's table of classes is new")
    if count and not record["classes"]:
        parts.append(f"without classes: the mean of its {count} rows")
    return "; ".join(parts)


def write_record(workdir, record):
    """Writes the result of `initialize`, if not `None`, to the new run's folder."""
    if record is None:
        return
    text = json.dumps(record, indent=2) + "\n"
    write_text(pathlib.Path(workdir) / RECORD, text)
