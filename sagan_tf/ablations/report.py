"""The report of an ablation: report.md, its curves and its sample grids."""

import json
import statistics

import numpy as np
from PIL import Image

from sagan_tf import images
from sagan_tf.ablations import runs as ablation_runs
from sagan_tf.ablations import tables
from sagan_tf.drawing import captions
from sagan_tf.drawing.plots import write_curves
from sagan_tf.files import write_text
from sagan_tf.model.overview import count_values
from sagan_tf.planning.flops import training_step_flops
from sagan_tf.run import building, directory
from sagan_tf.run.records import read_json
from sagan_tf.training import complaints

REPORT, CURVES, SAMPLES = "report.md", "stabilisation.png", "samples.png"
# Sample grids in a row, and the largest width and height of one grid.
_COLUMNS, _LARGEST = 4, (640, 1600)
_GAP, _LETTERS = 16, 18
_COSTS = {
    "generator_parameters": int,
    "discriminator_parameters": int,
    "step_flops": (int, float),
    "batch_size": int,
}


def write_report(workdir, cells, left_out=None, *, protocol=None, feature_network=None):
    """Writes report.md and its images from what all runs have written so far.

    Args:
        workdir: `pathlib.Path` of the ablation.
        cells: list of (name, seed) to report; other runs in the folder are reported
            too.
        left_out: dict that maps a cell to the reason why it cannot be trained.
        protocol, feature_network: see `runs.choose_setup`.

    Returns:
        Path of report.md.

    Raises:
        OSError: the report cannot be written.
    """
    runs = ablation_runs.find(workdir, cells)
    every_run = [run for same_cell in runs.values() for run in same_cell]
    record = ablation_runs.choose_setup(every_run, protocol, feature_network)
    workdir.mkdir(parents=True, exist_ok=True)
    paragraphs = [
        "# Ablation",
        *_scope(every_run, record),
        *tables.stabilization(runs),
        *_curves(workdir, runs, record),
        *tables.attention(runs),
        *tables.conditional(runs),
        *tables.settings(runs),
        *_troubles(every_run, left_out or {}),
        *_samples(workdir, runs),
        *_costs(runs),
        *_commands(runs),
    ]
    path = workdir / REPORT
    write_text(path, "\n\n".join(paragraphs) + "\n")
    return path


def _scope(every_run, record):
    """Yields the first lines of the report: they say what the values are."""
    if record is None:
        yield "Nothing has been evaluated yet."
        return
    run = next(run for run in every_run if run.evaluations)
    config, network = run.config, record["network"]
    space = "Inception" if network["is_inception"] else f"Features of {network['name']}"
    is_paper = "imagenet" in config["dataset"] and config["resolution"] == 128
    caution = "**These are not ImageNet numbers**: compare them only with one another."
    if is_paper and network["is_inception"]:
        caution = "The paper's data set and size."
    yield (
        f"{run.description}; {config['resolution']} pixels, "
        f"{config['total_steps']:,} steps of {config['batch_size']} images, widths "
        f"{config['generator_channels']} (G) and {config['discriminator_channels']} "
        f"(D). {space}; protocol {record['protocol']['name']}: "
        f"{record.get('num_fake', 0):,} generated against "
        f"{record.get('num_real', 0):,} real images. "
        f"{caution}"
    )
    ended = sum(run.outcome is not None for run in every_run)
    spread = "of one seed, so they do not show the effect of chance"
    if len({run.name for run in every_run}) < len(every_run):
        spread = "the mean over the seeds ± standard deviation (n - 1)"
    commits = list(dict.fromkeys(c for run in every_run for c in run.commits))
    yield (
        f"{ended} of {len(every_run)} runs have ended. Values are those of the last "
        f"step, {spread}; a dash means that there is none. *Paper*: published values "
        "for ImageNet at 128 pixels, after 1,000,000 steps unless stated otherwise: "
        "compare the order of the systems, not the values."
        + (f" Trained at commit {', '.join(commits)}." if commits else "")
    )


def _curves(workdir, runs, record):
    """Draws FID and IS over the steps: means over the seeds, deviations as bands."""
    panels = {}
    for panel, metric in (("FID", "fid"), ("IS", "inception_score")):
        curves = panels[panel] = {}
        for name in (name for name in tables.STABILIZATION if name in runs):
            values = ablation_runs.over_steps(runs[name], metric)
            if values:
                means = map(statistics.fmean, values.values())
                spreads = map(tables.deviation, values.values())
                label = tables.STABILIZATION[name]
                curves[label] = (list(values), list(means), list(spreads))
    title = "Stabilization"
    if record is not None:
        title += f", features of {record['network']['name']}"
    if len(set(tables.STABILIZATION) & set(runs)) > 1 and any(panels.values()):
        write_curves(workdir / CURVES, panels, title)
        yield f"![FID and IS over the steps]({CURVES})"


def _troubles(every_run, left_out):
    lines = [line for run in every_run for line in _troubles_of(run)]
    lines += [f"- {name}: left out, {reason}." for name, reason in left_out.items()]
    if lines:
        yield "## Not finished, diverged, collapsed, warned of, left out"
        yield "\n".join(lines)


def _troubles_of(run):
    start = f"- {run.name}, seed {run.seed}:"
    fids = ablation_runs.over_steps([run], "fid")
    last = "Never evaluated."
    if fids:
        step = max(fids)
        last = f"Last evaluated at step {step:,}: FID {fids[step][0]:.2f}."
    troubles = {
        "missing": "not begun.",
        "begun": f"not finished (step {run.step:,}). {last}",
        "diverged": "**diverged**: a loss or weight became NaN or infinite after step "
        f"{run.step:,}. {last}",
        "collapsed": f"**collapsed** and was stopped at step {run.step:,}. {last}",
        "finished": f"the last step has no evaluation of this kind. {last}",
    }
    if run.last("fid") is None:
        yield f"{start} {troubles[run.state]}"
    if run.looks and run.state in ("begun", "finished", "collapsed"):
        *earlier, look = map(complaints.values_of, run.looks)
        for each in complaints.complaints(look, earlier) if look else ():
            # The metrics do not show these; they show the effects of other warnings.
            if each.is_collapse or each.kind == "nearest":
                yield f"{start} at step {run.step:,}, {each.kind}: {each.text}"


def _samples(workdir, runs):
    tiles = []
    for name, same_cell in runs.items():
        last = next((run.grid for run in same_cell if run.grid), None)
        if last is not None:
            step, path = last
            with Image.open(path) as grid:
                grid = grid.convert("RGB")
            grid.thumbnail(_LARGEST)  # It only makes images smaller.
            text = f"{name}, step {step:,}"
            tiles.append(captions.headed(np.asarray(grid), text, _LETTERS))
    if tiles:
        tiles = np.stack(captions.on_white(tiles))
        sheet = images.grid(tiles, min(_COLUMNS, len(tiles)), _GAP)
        images.write_png(workdir / SAMPLES, sheet)
        yield "## Samples"
        yield f"![Sample grids]({SAMPLES})"
        yield "The last grid of each cell's first seed, with a class in each row."


def _costs(runs):
    rows = []
    for name, same_cell in runs.items():
        costs = next((_costs_of(run.workdir) for run in same_cell if run.config), None)
        if costs is None:
            continue
        speeds = [
            line["images_per_second"]
            for run in same_cell
            for line in run.metrics[1:]
            if line.get("images_per_second")
        ]
        minutes = [run.minutes for run in same_cell if run.state == "finished"]
        rows.append(
            [
                name,
                f"{costs['generator_parameters']:,}",
                f"{costs['discriminator_parameters']:,}",
                f"{costs['step_flops'] / 1e9:,.2f}",
                f"{statistics.median(speeds):,.1f}" if speeds else "-",
                f"{statistics.fmean(minutes):,.1f}" if minutes else "-",
            ]
        )
    if rows:
        yield "## Size and speed"
        heads = ["parameters of G", "of D", "GFLOP a step", "images/s", "minutes"]
        yield tables.table(["cell", *heads], rows)
        yield (
            "Trainable parameters; FLOPs of one training step by formula; images/s: "
            "median over the logged intervals, while the machine may have done other "
            "work; minutes: mean of a whole run with its evaluations."
        )


def _costs_of(workdir):
    """Returns parameters and FLOPs of a run's networks, cached in costs.json: dict."""
    path = workdir / ablation_runs.COSTS
    config = directory.read_config(workdir)
    if path.exists():
        costs = read_json(path, _COSTS)
        if costs["batch_size"] == config.batch_size:
            return costs
    generator, discriminator = building.networks_from_config(config)
    flops = training_step_flops(
        generator,
        discriminator,
        config.batch_size,
        config.discriminator_steps,
        config.gradient_accumulation_steps,
    )
    costs = {
        "generator_parameters": count_values(generator.trainable_variables),
        "discriminator_parameters": count_values(discriminator.trainable_variables),
        "step_flops": sum(flops.values()),
        "batch_size": config.batch_size,
    }
    write_text(path, json.dumps(costs, indent=2) + "\n")
    return costs


def _commands(runs):
    outcomes = [
        next((run.outcome for run in same_cell if run.outcome), None)
        for same_cell in runs.values()
    ]
    commands = [
        "    " + " ".join(each["command"])
        for each in outcomes
        if each and each.get("command")
    ]
    if commands:
        yield "## Commands"
        yield "\n".join(commands)
