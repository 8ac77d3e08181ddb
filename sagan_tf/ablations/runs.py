"""What the runs of an ablation have left in their folders."""

import collections
import functools
import json
import pathlib

from sagan_tf.errors import COLLAPSED, FINISHED, NOT_FINITE
from sagan_tf.run.records import read_metrics

OUTCOME = "outcome.json"
COSTS = "costs.json"
# Exit statuses of a training that are outcomes.
_STATES = {FINISHED: "finished", NOT_FINITE: "diverged", COLLAPSED: "collapsed"}


class Run:
    """One cell with one seed, as far as it has come. Files are read once.

    Args:
        name: str, the cell.
        seed: int.
        workdir: `pathlib.Path`, which need not exist.

    Attributes:
        way: see `choose_way`; `None` until one is chosen.
    """

    def __init__(self, name, seed, workdir):
        self.name = name
        self.seed = seed
        self.workdir = workdir
        self.way = None

    @functools.cached_property
    def outcome(self):
        """What the training ended with: dict, or `None` as long as it has not."""
        return _read_json(self.workdir / OUTCOME)

    @functools.cached_property
    def config(self):
        """Dict, empty if the run has not begun."""
        return _read_json(self.workdir / "config.json") or {}

    @functools.cached_property
    def description(self):
        """Of the data: str."""
        data = _read_json(self.workdir / "data.json") or {}
        return data.get("description", self.config.get("dataset", ""))

    @functools.cached_property
    def commits(self):
        """Git commits that trained it, short, changed ones with a plus: list of str."""
        entries = _read_json(self.workdir / "versions.json") or []
        return [
            entry["git_commit"][:7] + "+" * bool(entry["git_changed"])
            for entry in entries
            if entry.get("git_commit")
        ]

    @functools.cached_property
    def metrics(self):
        """The lines of metrics.jsonl: list of dicts."""
        return read_metrics(self.workdir / "metrics.jsonl")

    @functools.cached_property
    def records(self):
        """Evaluations of its checkpoints, in any way: list of dicts."""
        lines = read_metrics(self.workdir / "evaluations.jsonl")
        return [line for line in lines if line.get("subject") == "checkpoint"]

    @property
    def evaluations(self):
        """Those in the chosen way: dict of step to figures, by step.

        Of several of one step the last one counts.
        """
        found = {r["step"]: r["metrics"] for r in self.records if _way(r) == self.way}
        return dict(sorted(found.items()))

    @property
    def state(self):
        """finished, diverged, collapsed (and stopped), begun or missing."""
        if self.outcome is not None:
            return _STATES[self.outcome["status"]]
        return "begun" if self.config else "missing"

    @property
    def step(self):
        """The last step that it has said something of: int."""
        lines = [*self.metrics[-1:], *self.looks[-1:]]
        return max((line["step"] for line in lines), default=0)

    @functools.cached_property
    def grid(self):
        """Path of its last sample grid, or `None`."""
        return max(self.workdir.glob("samples/step_*.png"), default=None)

    @functools.cached_property
    def minutes(self):
        """How long the steps in its metrics took, with what was done between them."""
        seconds, images = 0.0, 0
        for line in self.metrics:
            seconds += (line["images"] - images) / line["images_per_second"]
            images = line["images"]
        return seconds / 60

    @functools.cached_property
    def looks(self):
        """The lines of health.jsonl: list of dicts."""
        return read_metrics(self.workdir / "health.jsonl")

    def last(self, name):
        """A figure of the evaluation of the last step, or `None`."""
        if self.state != "finished":
            return None
        metrics = self.evaluations.get(self.config["total_steps"])
        return None if metrics is None else metrics.get(name)


def find(workdir, cells):
    """The runs of a folder and of the cells that are asked for.

    Args:
        workdir: `pathlib.Path` of the ablation.
        cells: iterable of (name, seed), which need not have begun.

    Returns:
        Dict of cell to list of `Run`, by seed; in the order of the cells, with those
        that are in the folder alone at the end.
    """
    wanted = list(cells)
    for path in sorted(workdir.glob("*/seed_*/config.json")):
        seed = path.parent.name.removeprefix("seed_")
        if seed.isdecimal():
            wanted.append((path.parent.parent.name, int(seed)))
    seeds = collections.defaultdict(set)
    for name, seed in wanted:
        seeds[name].add(seed)
    return {
        name: [Run(name, seed, folder(workdir, name, seed)) for seed in sorted(of)]
        for name, of in seeds.items()
    }


def folder(workdir, name, seed):
    """Where the run of a cell and seed is: `pathlib.Path`."""
    return pathlib.Path(workdir) / name / f"seed_{seed}"


def choose_way(runs, protocol=None, feature_network=None):
    """Chooses the way of evaluating whose figures are compared, for all runs.

    It is that of the flags, if there are such figures; else the one that most runs
    have been evaluated in, and of two the later one.

    Args:
        runs: iterable of `Run`.
        protocol, feature_network: the flags of these names, or `None`.

    Returns:
        The last record in this way (dict), or `None` if there is none in any way.
    """
    runs = list(runs)
    last = {_way(record): record for run in runs for record in run.records}
    if not last:
        return None
    of_runs = collections.Counter(
        way for run in runs for way in {_way(record) for record in run.records}
    )

    def rank(way):
        wanted = protocol and is_made_in(last[way], protocol, feature_network)
        return bool(wanted), of_runs[way], last[way].get("time", "")

    chosen = max(last, key=rank)
    for run in runs:
        run.way = chosen
    return last[chosen]


def is_made_in(record, protocol, feature_network):
    """Whether an evaluation was made under a protocol with a feature network.

    Args:
        record: dict, a line of evaluations.jsonl.
        protocol, feature_network: the flags of these names.
    """
    network = record["network"]
    if feature_network == "inception":
        same = network["is_inception"] or network["name"].startswith("stand-in-")
    else:
        classifier = _read_json(pathlib.Path(feature_network) / "classifier.json") or {}
        same = network["hash"] == classifier.get("sha256")
    return same and record["protocol"]["name"] == protocol


def _way(record):
    """What has to be equal for figures to be compared: a tuple."""
    network, reference = record["network"], record["reference"]
    return (
        *(record["protocol"]["name"], network["name"], network["hash"]),
        reference["content_hash"],
    )


def _read_json(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
