"""What came of an ablation: report.md, in the layout of the paper's tables."""

import collections
import json
import statistics

import numpy as np
from PIL import Image

from sagan_tf import rundir
from sagan_tf.files import replacing, write_text
from sagan_tf.flops import training_step_flops
from sagan_tf.overview import count_values
from sagan_tf.plots import write_curves

REPORT, CURVES, PICTURES = "report.md", "stabilisation.png", "samples.png"
_SIZES = (8, 16, 32, 64)
_STABILISATION = {
    "sn_d_only": "SN on D",
    "sn_both": "SN on G and D",
    "no_attention": "SN on G and D, TTUR",
}
_CONDITIONAL = {
    "ac_gan": "AC-GAN (class losses in our network)",
    "sngan_projection": "SNGAN-projection",
}
_TILE = 4  # pictures a side of each cell's tile


def write_report(workdir, cells, left_out=()):
    """Writes report.md and its two pictures from what the runs have left so far.

    Args:
        workdir: `pathlib.Path` of the ablation.
        cells: list of `ablations.Cell`.
        left_out: names of cells that the resolution has no place for.

    Returns:
        Path of report.md.

    Raises:
        OSError: it cannot be written.
    """
    runs = collections.defaultdict(list)
    for cell in cells:
        runs[cell.name].append(_Run(cell))
    workdir.mkdir(parents=True, exist_ok=True)
    curves = _write_curves(workdir, runs)
    pictures = _write_pictures(workdir, runs)
    parts = [
        "# Ablation",
        _scope(runs),
        *_stabilisation(runs, curves),
        *_table_1(runs),
        *_table_2(runs),
        *_others(runs),
        *_costs(runs),
        *_troubles(runs, left_out),
        *pictures,
        *_commands(runs),
    ]
    path = workdir / REPORT
    write_text(path, "\n\n".join(parts) + "\n")
    return path


class _Run:
    """What one cell and seed has left."""

    def __init__(self, cell):
        self.cell = cell
        self.outcome = cell.outcome()
        self.config = _read_json(cell.workdir / "config.json") or {}
        self.data = _read_json(cell.workdir / "data.json") or {}
        self.costs = _costs_of(cell.workdir) if self.config else {}
        self.metrics = _read_lines(cell.workdir / "metrics.jsonl")
        self.evaluations = [
            line
            for line in _read_lines(cell.workdir / "evaluations.jsonl")
            if line["step"] is not None
        ]

    @property
    def is_finished(self):
        return self.outcome is not None and self.outcome["status"] == 0

    def last(self, name):
        """A figure of the evaluation after the last step, or `None`."""
        if not self.is_finished or not self.evaluations:
            return None
        last = self.evaluations[-1]
        if last["step"] != self.config["total_steps"]:
            return None
        return last["metrics"].get(name)

    def diversity(self):
        """Of the last look at its health, or `None`."""
        looks = _read_lines(self.cell.workdir / "health.jsonl")
        return looks[-1]["diversity"] if looks else None


def _costs_of(workdir):
    """Parameters and FLOPs of a run: dict, counted once and kept in costs.json."""
    path = workdir / "costs.json"
    costs = _read_json(path)
    if costs is None:
        config = rundir.read_config(workdir)
        generator, discriminator = rundir.networks_from_config(config)
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
        }
        write_text(path, json.dumps(costs, indent=2) + "\n")
    return costs


def _read_json(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _read_lines(path):
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line]


def _scope(runs):
    """What the numbers are, in the first line that anyone reads."""
    run = next((run for of in runs.values() for run in of if run.evaluations), None)
    if run is None:
        return "Nothing has been evaluated yet."
    config, last = run.config, run.evaluations[-1]
    network = last["network"]["name"]
    inception = last["network"]["is_inception"]
    is_paper = "imagenet" in config["dataset"] and config["resolution"] == 128
    verdict = (
        "The paper's data set and size."
        if is_paper and inception
        else "**These are not ImageNet numbers**: compare them with one another alone."
    )
    return (
        f"{run.data.get('description', config['dataset'])}, {config['resolution']} "
        f"pixels, {config['total_steps']:,} steps of {config['batch_size']} images, "
        f"widths {config['generator_channels']} (G) and "
        f"{config['discriminator_channels']} (D). "
        f"{'Inception' if inception else f'Features of {network}'}; protocol "
        f"{last['protocol']['name']}: {last['num_fake']:,} generated against "
        f"{last['num_real']:,} real images. {verdict}\n\n"
        "Mean of the seeds and, from two on, their standard deviation; in brackets the "
        "number of runs where not all have ended."
    )


def _figure(runs, name, form="{:.2f}"):
    """Mean and standard deviation over the runs of one cell: str."""
    values = [value for run in runs if (value := run.last(name)) is not None]
    diverged = sum(run.outcome is not None and not run.is_finished for run in runs)
    if not values:
        return "diverged" if diverged else "-"
    text = form.format(statistics.fmean(values))
    if len(values) > 1:
        text += " ± " + form.format(statistics.stdev(values))
    if diverged:
        text += f" ({diverged} of {len(runs)} diverged)"
    elif len(values) < len(runs):
        text += f" ({len(values)})"
    return text


def _table(header, rows):
    lines = ["| " + " | ".join(row) + " |" for row in (header, *rows)]
    lines.insert(1, "|" + " --- |" * len(header))
    return "\n".join(lines)


def _stabilisation(runs, curves):
    names = [name for name in _STABILISATION if name in runs]
    if not names:
        return
    yield "## Stabilisation (the paper's figure 3)"
    some = next((run for name in names for run in runs[name] if run.evaluations), None)
    if some is None:
        return
    steps = [line["step"] for line in some.evaluations]
    shown = sorted(
        {steps[0], steps[len(steps) // 4], steps[len(steps) // 2], steps[-1]}
    )
    rows = []
    for name in names:
        row = [_STABILISATION[name]]
        for step in shown:
            values = [
                line["metrics"]["fid"]
                for run in runs[name]
                for line in run.evaluations
                if line["step"] == step
            ]
            row.append(f"{statistics.fmean(values):.2f}" if values else "-")
        row += [_figure(runs[name], "fid"), _figure(runs[name], "inception_score")]
        rows.append(row)
    heads = [f"FID at {step:,}" for step in shown]
    yield _table(["system", *heads, "FID at the end", "IS at the end"], rows)
    if curves:
        yield f"![FID and IS over the steps]({curves})"


def _table_1(runs):
    columns = [("no attention", "no_attention")]
    columns += [(f"SAGAN feat{size}", f"feat{size}") for size in _SIZES]
    columns += [(f"Residual feat{size}", f"residual_feat{size}") for size in _SIZES]
    columns = [(title, name) for title, name in columns if name in runs]
    if len(columns) < 2:
        return
    yield "## Attention and residual blocks (table 1)"
    rows = [
        [label, *(_figure(runs[name], figure) for _, name in columns)]
        for label, figure in (("FID", "fid"), ("IS", "inception_score"))
    ]
    yield _table(["", *(title for title, _ in columns)], rows)


def _table_2(runs):
    best = [name for name in (f"feat{size}" for size in _SIZES) if name in runs]
    rows = {**_CONDITIONAL, **{name: f"SAGAN {name}" for name in best}}
    rows = {name: label for name, label in rows.items() if name in runs}
    if not set(_CONDITIONAL) & set(rows):
        return
    yield "## Against other systems (table 2)"
    yield _table(
        ["system", "IS", "FID", "class accuracy"],
        [
            [
                label,
                _figure(runs[name], "inception_score"),
                _figure(runs[name], "fid"),
                _figure(runs[name], "class_accuracy", "{:.3f}"),
            ]
            for name, label in rows.items()
        ],
    )


def _others(runs):
    known = {*_STABILISATION, *_CONDITIONAL}
    known |= {f"{kind}feat{size}" for kind in ("", "residual_") for size in _SIZES}
    names = [name for name in runs if name not in known]
    if not names:
        return
    base = [name for name in ("feat32",) if name in runs]
    yield "## Single settings"
    yield _table(
        ["changed", "FID", "IS", "precision", "recall"],
        [
            [
                "nothing" if name in base else name.replace("_", " "),
                _figure(runs[name], "fid"),
                _figure(runs[name], "inception_score"),
                _figure(runs[name], "precision", "{:.3f}"),
                _figure(runs[name], "recall", "{:.3f}"),
            ]
            for name in (*base, *names)
        ],
    )


def _costs(runs):
    rows = []
    for name, of in runs.items():
        costs = next((run.costs for run in of if run.costs), None)
        speeds = [line["images_per_second"] for run in of for line in run.metrics[1:]]
        seconds = [run.outcome["seconds"] for run in of if run.outcome]
        if costs is None and not speeds:
            continue
        rows.append(
            [
                name,
                *(
                    f"{costs[key]:,}" if costs else "-"
                    for key in ("generator_parameters", "discriminator_parameters")
                ),
                f"{costs['step_flops'] / 1e9:,.2f}" if costs else "-",
                f"{np.median(speeds):.1f}" if speeds else "-",
                f"{statistics.fmean(seconds) / 60:.1f}" if seconds else "-",
            ]
        )
    if not rows:
        return
    yield "## Size and speed"
    header = ["cell", "parameters of G", "of D", "GFLOP a step", "images/s", "minutes"]
    yield _table(header, rows)
    yield (
        "Parameters without `u` and averages; FLOPs of one training step by formula; "
        "images/s: median over the run, on whatever else the machine was doing; "
        "minutes with evaluations."
    )


def _troubles(runs, left_out):
    lines = []
    for name, of in runs.items():
        for run in of:
            where = f"{name}, seed {run.cell.seed}"
            if run.outcome is None:
                step = run.metrics[-1]["step"] if run.metrics else 0
                lines.append(f"- {where}: not finished (step {step:,}).")
            elif not run.is_finished:
                step = run.metrics[-1]["step"] if run.metrics else 0
                lines.append(
                    f"- {where}: **diverged**, a loss became NaN or infinite after "
                    f"step {step:,}."
                )
            diversity = run.diversity()
            if diversity is not None and diversity < 0.1:
                lines.append(
                    f"- {where}: **collapsed**, pictures of one label are "
                    f"{diversity:.3f} of real images' distance apart."
                )
    if left_out:
        lines.append(f"- No place at this resolution: {', '.join(left_out)}.")
    if lines:
        yield "## Not finished, diverged, collapsed, left out"
        yield "\n".join(lines)


def _commands(runs):
    commands = [
        " ".join(run.outcome["command"])
        for of in runs.values()
        for run in of[:1]
        if run.outcome
    ]
    if commands:
        yield "## Commands"
        yield "\n".join(f"    {command}" for command in commands)


def _write_curves(workdir, runs):
    """Draws FID and IS over the steps; returns the file's name, or `None`."""
    panels = {"FID": {}, "IS": {}}
    for name, label in _STABILISATION.items():
        by_step = collections.defaultdict(list)
        for run in runs.get(name, ()):
            for line in run.evaluations:
                by_step[line["step"]].append(line["metrics"])
        steps = sorted(by_step)
        for panel, figure in (("FID", "fid"), ("IS", "inception_score")):
            means = [
                statistics.fmean(metrics[figure] for metrics in by_step[step])
                for step in steps
            ]
            if steps:
                panels[panel][label] = (steps, means)
    if not panels["FID"]:
        return None
    write_curves(workdir / CURVES, panels, "Stabilisation: mean over seeds")
    return CURVES


def _write_pictures(workdir, runs):
    """Puts the last sample grids side by side; yields what the report says of them."""
    tiles = {}
    for name, of in runs.items():
        grids = sorted((of[0].cell.workdir / "samples").glob("step_*.png"))
        if grids:
            tiles[name] = grids[-1]
    if not tiles:
        return []
    columns = min(_TILE, len(tiles))
    pictures = [Image.open(path).convert("RGB") for path in tiles.values()]
    width = max(picture.width for picture in pictures)
    height = max(picture.height for picture in pictures)
    gap = 12
    rows = -(-len(pictures) // columns)
    sheet = Image.new(
        "RGB",
        (columns * (width + gap) - gap, rows * (height + gap) - gap),
        "white",
    )
    for index, picture in enumerate(pictures):
        place = (index % columns * (width + gap), index // columns * (height + gap))
        sheet.paste(picture, place)
    with replacing(workdir / PICTURES) as temporary:
        sheet.save(temporary, format="PNG")
    order = ", ".join(tiles)
    return [
        "## Samples",
        f"![Sample grids]({PICTURES})",
        f"First seed, last grid of each cell, row by row: {order}.",
    ]
