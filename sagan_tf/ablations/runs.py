"""Reads what the runs of an ablation have written to their folders."""

import collections
import dataclasses
import functools
import pathlib

from sagan_tf.errors import COLLAPSED, FINISHED, NOT_FINITE, BadInput
from sagan_tf.run.records import (
    EVALUATION,
    EVALUATIONS,
    TEXT,
    find_grids,
    find_json,
    read_metrics,
)

OUTCOME = "outcome.json"
COSTS = "costs.json"
# Exit statuses that end a training for good.
_STATES = {FINISHED: "finished", NOT_FINITE: "diverged", COLLAPSED: "collapsed"}
# The entries that are read from a run's files.
_NUMBERS = ("resolution", "total_steps", "batch_size")
_WIDTHS = ("generator_channels", "discriminator_channels")
_CONFIG = {"dataset": str, **dict.fromkeys((*_NUMBERS, *_WIDTHS), int)}
_VERSIONS = [{"git_commit?": TEXT}]
_RECORD = {
    **EVALUATION,
    "network": {"name": str, "hash": str, "is_inception": bool},
}


@dataclasses.dataclass
class Run:
    """One cell with one seed. Its files are read once, when they are needed.

    Attributes:
        name: str, the cell.
        seed: int.
        workdir: `pathlib.Path`, which need not exist.
        setup: the setup that `choose_setup` chose; `None` before.
    """

    name: str
    seed: int
    workdir: pathlib.Path
    setup: tuple | None = None

    @functools.cached_property
    def outcome(self):
        """How the training ended: dict, or `None` while it has not."""
        path = self.workdir / OUTCOME
        outcome = find_json(path, {"status": int, "command?": [str]})
        if outcome is not None and outcome["status"] not in _STATES:
            raise BadInput(
                f"{path} is damaged: its status must be one of "
                f"{', '.join(map(str, _STATES))}. Received: {outcome['status']}. Try "
                "removing it: the training then continues."
            )
        return outcome

    @functools.cached_property
    def config(self):
        """The entries of config.json: dict, empty if the run has not begun."""
        return find_json(self.workdir / "config.json", _CONFIG) or {}

    @property
    def description(self):
        """The description of the data set: str."""
        data = find_json(self.workdir / "data.json", {"description?": str}) or {}
        return data.get("description", self.config.get("dataset", ""))

    @property
    def commits(self):
        """Short git commits that trained it, with a plus for changed files: list."""
        return [
            entry["git_commit"][:7] + "+" * bool(entry.get("git_changed"))
            for entry in find_json(self.workdir / "versions.json", _VERSIONS) or []
            if entry.get("git_commit")
        ]

    @functools.cached_property
    def metrics(self):
        """The lines of metrics.jsonl: list of dicts."""
        return read_metrics(self.workdir / "metrics.jsonl")

    @functools.cached_property
    def looks(self):
        """The lines of health.jsonl: list of dicts."""
        return read_metrics(self.workdir / "health.jsonl")

    @functools.cached_property
    def records(self):
        """All evaluations of its checkpoints: list of dicts."""
        lines = read_metrics(self.workdir / EVALUATIONS, _RECORD)
        of_checkpoints = [x for x in lines if x.get("subject") == "checkpoint"]
        return [line for line in of_checkpoints if line["step"] is not None]

    @property
    def evaluations(self):
        """The metrics of each step in the chosen setup: dict. Later records win."""
        by_step = {
            record["step"]: record["metrics"]
            for record in self.records
            if _setup(record) == self.setup
        }
        return dict(sorted(by_step.items()))

    @property
    def state(self):
        """The state: finished, diverged, collapsed, begun or missing."""
        if self.outcome is not None:
            return _STATES[self.outcome["status"]]
        return "begun" if self.config else "missing"

    @property
    def step(self):
        """The last step in its logs: int."""
        lines = [*self.metrics[-1:], *self.looks[-1:]]
        return max((line["step"] for line in lines), default=0)

    @property
    def grid(self):
        """The step and the path of its last sample grid, or `None`."""
        return max(find_grids(self.workdir).items(), default=None)

    @property
    def minutes(self):
        """The time from its first logged step to its last one: float."""
        seconds, images = 0.0, 0
        for line in self.metrics:
            if line.get("images") and line.get("images_per_second"):
                seconds += (line["images"] - images) / line["images_per_second"]
                images = line["images"]
        return seconds / 60

    def last(self, name):
        """A metric of the last step of a finished run, or `None`."""
        if self.state != "finished":
            return None
        return self.evaluations.get(self.config["total_steps"], {}).get(name)


def find(workdir, cells):
    """Returns the given runs, then the other runs in the folder.

    Args:
        workdir: `pathlib.Path` of the ablation.
        cells: list of (name, seed), runs that need not have begun.

    Returns:
        Dict of cell names to lists of `Run`, sorted by seed.
    """
    cells = list(cells)
    for path in sorted(workdir.glob("*/seed_*/config.json")):
        seed = path.parent.name.removeprefix("seed_")
        if seed.isdecimal():
            cells.append((path.parent.parent.name, int(seed)))
    runs = {name: [] for name, _ in cells}
    for name, seed in sorted(set(cells)):
        runs[name].append(Run(name, seed, folder(workdir, name, seed)))
    return runs


def folder(workdir, name, seed):
    """Returns the folder of a run: `pathlib.Path`."""
    return pathlib.Path(workdir) / name / f"seed_{seed}"


def over_steps(runs, metric):
    """Returns a metric's values: dict of ascending steps to nonempty float lists."""
    values = collections.defaultdict(list)
    for run in runs:
        for step, metrics in run.evaluations.items():
            if metrics.get(metric) is not None:
                values[step].append(metrics[metric])
    return dict(sorted(values.items()))


def choose_setup(runs, protocol=None, feature_network=None):
    """Chooses the evaluation setup whose metrics are compared, for all runs.

    It is the setup that the flags name, if any run has it. Otherwise it is the setup
    that most runs have; of two that are equally frequent, the later one.

    Returns:
        The last record in this setup (dict), or `None` if nothing was evaluated.
    """
    last = {_setup(record): record for run in runs for record in run.records}
    counts = collections.Counter(
        setup for run in runs for setup in {_setup(record) for record in run.records}
    )

    def rank(setup):
        is_named = protocol and has_setup(last[setup], protocol, feature_network)
        return bool(is_named), counts[setup], last[setup].get("time", "")

    chosen = max(last, key=rank, default=None)
    for run in runs:
        run.setup = chosen
    return last.get(chosen)


def has_setup(record, protocol, feature_network):
    """Returns True if a line of evaluations.jsonl has the setup that the flags name."""
    network = record["network"]
    if feature_network == "inception":
        is_same = network["is_inception"] or network["name"].startswith("stand-in-")
    else:
        path = pathlib.Path(feature_network) / "classifier.json"
        classifier = find_json(path, {"sha256": str}) or {}
        is_same = network["hash"] == classifier.get("sha256")
    return is_same and record["protocol"]["name"] == protocol


def _setup(record):
    """Returns a tuple that is equal for records whose metrics are comparable."""
    network, reference = record["network"], record.get("reference", {})
    names = record["protocol"]["name"], network["name"]
    return *names, network["hash"], reference.get("content_hash")
