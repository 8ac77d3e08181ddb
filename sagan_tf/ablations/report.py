"""What came of an ablation: report.md, in the layout of the paper's tables."""

import json
import statistics

import numpy as np

from sagan_tf.ablations import runs as ablation_runs
from sagan_tf.ablations.pictures import deviation, write_grids, write_means
from sagan_tf.files import write_text
from sagan_tf.model.overview import count_values
from sagan_tf.planning.flops import training_step_flops
from sagan_tf.run import building, directory
from sagan_tf.training import complaints

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
# FID and IS of arXiv 1805.08318, tables 1 and 2, ImageNet at 128 pixels.
_PAPER = {
    "no_attention": (22.96, 42.87),
    **{"feat8": (22.98, 43.15), "feat16": (22.14, 45.94)},
    **{"feat32": (18.28, 51.43), "feat64": (18.65, 52.52)},
    **{"residual_feat8": (42.13, 23.17), "residual_feat16": (22.40, 44.49)},
    **{"residual_feat32": (27.33, 38.50), "residual_feat64": (28.82, 38.96)},
    **{"ac_gan": (None, 28.5), "sngan_projection": (27.62, 36.8)},
}
# FID at 10,000, 160,000 and 260,000 steps, from its figure 3.
_PAPER_FIDS = {
    "sn_d_only": "181.84 at 10k",
    "sn_both": "93.52 at 10k, 33.39 at 160k, 72.41 at 260k",
    "no_attention": "99.04 at 10k, 40.96 at 160k, 34.62 at 260k",
}
_SETTLED = ("finished", "diverged", "collapsed")


def write_report(workdir, cells, left_out=None, *, protocol=None, feature_network=None):
    """Writes report.md and its pictures from what all runs have left so far.

    Args:
        workdir: `pathlib.Path` of the ablation.
        cells: list of (name, seed), those that are asked for; runs that are in the
            folder besides are reported too.
        left_out: dict of cell to the reason why it cannot be trained.
        protocol, feature_network: see `ablation_runs.choose_way`.

    Returns:
        Path of report.md.

    Raises:
        OSError: it cannot be written.
    """
    runs = ablation_runs.find(workdir, cells)
    record = ablation_runs.choose_way(_all(runs), protocol, feature_network)
    workdir.mkdir(parents=True, exist_ok=True)
    parts = [
        "# Ablation",
        *_scope(runs, record),
        *_stabilisation(workdir, runs, record),
        *_table_1(runs),
        *_table_2(runs),
        *_others(runs),
        *_troubles(runs, left_out or {}),
        *_samples(workdir, runs),
        *_costs(runs),
        *_commands(runs),
    ]
    path = workdir / REPORT
    write_text(path, "\n\n".join(parts) + "\n")
    return path


def _all(runs):
    return [run for of in runs.values() for run in of]


def _scope(runs, record):
    """What the numbers are, in the first line that anyone reads."""
    if record is None:
        yield "Nothing has been evaluated yet."
        return
    run = next(run for run in _all(runs) if run.evaluations)
    config, network = run.config, record["network"]
    space = "Inception" if network["is_inception"] else f"Features of {network['name']}"
    is_paper = "imagenet" in config["dataset"] and config["resolution"] == 128
    yield (
        f"{run.description}; {config['resolution']} pixels, "
        f"{config['total_steps']:,} steps of {config['batch_size']} images, widths "
        f"{config['generator_channels']} (G) and {config['discriminator_channels']} "
        "(D). "
        f"{space}; protocol {record['protocol']['name']}: {record['num_fake']:,} "
        f"generated against {record['num_real']:,} real images. "
        + (
            "The paper's data set and size."
            if is_paper and network["is_inception"]
            else "**These are not ImageNet numbers**: compare them with one another "
            "alone."
        )
    )
    settled = sum(each.state in _SETTLED for each in _all(runs))
    several = any(len(of) > 1 for of in runs.values())
    spread = ", mean over the seeds ± standard deviation (n - 1)"
    spread = spread if several else ", of one seed, which says nothing of chance"
    commits = list(dict.fromkeys(c for each in _all(runs) for c in each.commits))
    yield (
        f"{settled} of {len(_all(runs))} runs have ended. Figures are of the last step"
        f"{spread}; a dash where there is none. "
        "*Paper*: published figures of ImageNet at 128 pixels, after 1,000,000 steps "
        "if nothing else is said: compare the order of the systems, not values."
        + (f" Trained at commit {', '.join(commits)}." if commits else "")
    )


def _mean(values, form="{:.2f}"):
    text = form.format(statistics.fmean(values))
    if len(values) > 1:
        text += " ± " + form.format(deviation(values))
    return text


def _figure(runs, name, form="{:.2f}"):
    """A figure of one cell, and what became of runs that have none: str."""
    values = [value for run in runs if (value := run.last(name)) is not None]
    lost = {
        state: count
        for state in ("diverged", "collapsed")
        if (count := sum(run.state == state for run in runs))
    }
    if not values:
        return ", ".join(lost) or "-"
    text = _mean(values, form)
    if lost:
        counts = (f"{count} of {len(runs)} {state}" for state, count in lost.items())
        text += f" ({', '.join(counts)})"
    elif len(values) < len(runs):
        text += f" ({len(values)} of {len(runs)} runs)"
    return text


def _quality(runs):
    """FID, IS, precision and recall of one cell: list of str."""
    return [
        *(_figure(runs, name) for name in ("fid", "inception_score")),
        *(_figure(runs, name, "{:.3f}") for name in ("precision", "recall")),
    ]


def _published(name, index):
    value = _PAPER.get(name, (None, None))[index]
    return "-" if value is None else f"*{value:.2f}*"


def _table(header, rows):
    lines = ["| " + " | ".join(row) + " |" for row in (header, *rows)]
    lines.insert(1, "|" + " --- |" * len(header))
    return "\n".join(lines)


def _stabilisation(workdir, runs, record):
    names = [name for name in _STABILISATION if name in runs]
    steps = sorted({s for name in names for run in runs[name] for s in run.evaluations})
    if len(names) < 2:
        return
    yield "## Stabilisation (the paper's figure 3)"
    some = steps[:-1]  # The last one has a column of its own.
    shown = sorted({some[len(some) * part // 4] for part in range(4)} if some else ())
    rows = []
    for name in names:
        row = [_STABILISATION[name]]
        for step in shown:
            found = [run.evaluations.get(step, {}).get("fid") for run in runs[name]]
            found = [value for value in found if value is not None]
            row.append(_mean(found) if found else "-")
        row += _quality(runs[name])
        rows.append([*row, f"*{_PAPER_FIDS[name]}*"])
    heads = [f"FID at {step:,}" for step in shown]
    heads += ["FID at the end", "IS", "precision", "recall"]
    yield _table(["system", *heads, "*paper, FID*"], rows)
    variants = {_STABILISATION[name]: runs[name] for name in names}
    title = "Stabilisation"
    if record is not None:
        title += f", features of {record['network']['name']}"
    if write_means(workdir / CURVES, variants, title):
        yield f"![FID and IS over the steps]({CURVES})"


def _table_1(runs):
    columns = [("no attention", "no_attention")]
    columns += [(f"SAGAN feat{size}", f"feat{size}") for size in _SIZES]
    columns += [(f"Residual feat{size}", f"residual_feat{size}") for size in _SIZES]
    columns = [(title, name) for title, name in columns if name in runs]
    if len(columns) < 2:
        return
    yield "## Attention and residual blocks (the paper's table 1)"
    rows = []
    for index, (label, figure) in enumerate(
        (("FID", "fid"), ("IS", "inception_score"))
    ):
        rows.append([label, *(_figure(runs[name], figure) for _, name in columns)])
        rows.append(
            [f"*paper, {label}*", *(_published(name, index) for _, name in columns)]
        )
    for label in ("precision", "recall"):
        found = (_figure(runs[name], label, "{:.3f}") for _, name in columns)
        rows.append([label, *found])
    yield _table(["", *(title for title, _ in columns)], rows)


def _table_2(runs):
    best = {f"feat{size}": f"SAGAN feat{size}" for size in _SIZES}
    rows = {n: label for n, label in {**_CONDITIONAL, **best}.items() if n in runs}
    if not set(_CONDITIONAL) & set(rows):
        return
    yield "## Against other systems (the paper's table 2)"
    yield _table(
        [
            *("system", "FID", "IS", "precision", "recall", "class accuracy"),
            *("*paper, FID*", "*paper, IS*"),
        ],
        [
            [
                label,
                *_quality(runs[name]),
                _figure(runs[name], "class_accuracy", "{:.3f}"),
                _published(name, 0),
                _published(name, 1),
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
    yield "## Single settings"
    if "feat32" in runs:
        names = ["feat32", *names]
        sizes = next((run.config for run in runs["feat32"] if run.config), {})
        places = ", ".join(f"{s}x{s}" for s in sizes.get("attention_resolution", ()))
        yield f"Each changes one thing of feat32 (attention here at {places or '-'})."
    yield _table(
        ["changed", "FID", "IS", "precision", "recall"],
        [
            [
                "nothing" if name == "feat32" else name.replace("_", " "),
                *_quality(runs[name]),
            ]
            for name in names
        ],
    )


def _troubles(runs, left_out):
    lines = [line for run in _all(runs) for line in _about(run)]
    lines += [f"- {name}: left out, {reason}." for name, reason in left_out.items()]
    if lines:
        yield "## Not finished, diverged, collapsed, warned of, left out"
        yield "\n".join(lines)


def _about(run):
    """Lines about one run that is not as it should be."""
    where = f"- {run.name}, seed {run.seed}:"
    evaluated = [(s, m) for s, m in run.evaluations.items() if m.get("fid") is not None]
    last = "Never evaluated."
    if evaluated:
        step, metrics = evaluated[-1]
        last = f"Last evaluated at step {step:,}: FID {metrics['fid']:.2f}."
    *earlier, look = map(complaints.values_of, run.looks or [{}])
    found = complaints.complaints(look, earlier) if look else []
    # Of warnings, the one of what figures at the end may hide.
    named = [each for each in found if each.is_collapse or each.kind == "nearest"]
    if run.state == "missing":
        yield f"{where} not begun."
    elif run.state == "begun":
        yield f"{where} not finished (step {run.step:,}). {last}"
    elif run.state == "diverged":
        yield (
            f"{where} **diverged**, a loss or weight became NaN or infinite after step "
            f"{run.step:,}. {last}"
        )
    elif run.state == "collapsed":
        yield f"{where} **collapsed**, and was stopped at step {run.step:,}. {last}"
    elif run.last("fid") is None:
        yield f"{where} the last step is not evaluated in this way. {last}"
    if run.state in ("begun", "finished", "collapsed"):
        for complaint in named:
            yield f"{where} at step {run.step:,}, {complaint.kind}: {complaint.text}"


def _samples(workdir, runs):
    grids = {}
    for name, of in runs.items():
        run = next((run for run in of if run.grid), None)
        if run is not None:
            step = int(run.grid.stem.removeprefix("step_"))
            grids[f"{name}, step {step:,}"] = run.grid
    if grids:
        write_grids(workdir / PICTURES, grids)
        yield "## Samples"
        yield f"![Sample grids]({PICTURES})"
        yield "The last grid of each cell's first seed; a class a row."


def _costs(runs):
    rows = []
    for name, of in runs.items():
        costs = next((costs_of(run.workdir) for run in of if run.config), None)
        if costs is None:
            continue
        speeds = [line["images_per_second"] for run in of for line in run.metrics[1:]]
        minutes = [run.minutes for run in of if run.state == "finished"]
        rows.append(
            [
                name,
                f"{costs['generator_parameters']:,}",
                f"{costs['discriminator_parameters']:,}",
                f"{costs['step_flops'] / 1e9:,.2f}",
                f"{np.median(speeds):,.1f}" if speeds else "-",
                f"{statistics.fmean(minutes):,.1f}" if minutes else "-",
            ]
        )
    if not rows:
        return
    yield "## Size and speed"
    header = ["cell", "parameters of G", "of D", "GFLOP a step", "images/s", "minutes"]
    yield _table(header, rows)
    yield (
        "Parameters that are trained; FLOPs of one training step by formula; images/s: "
        "median over the logged intervals, with whatever else the machine was doing; "
        "minutes: mean of a whole run, with its evaluations."
    )


def costs_of(workdir):
    """Parameters and FLOPs of a run, counted once and kept in its costs.json.

    Args:
        workdir: `pathlib.Path` of the run, whose config.json is there.

    Returns:
        Dict: `generator_parameters`, `discriminator_parameters`, `step_flops`, and
        `batch_size`, for which these are.
    """
    path = workdir / ablation_runs.COSTS
    config = directory.read_config(workdir)
    if path.exists():
        costs = json.loads(path.read_text(encoding="utf-8"))
        if costs.get("batch_size") == config.batch_size:
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
    commands = []
    for of in runs.values():
        outcome = next((run.outcome for run in of if run.outcome), None)
        if outcome is not None:
            commands.append("    " + " ".join(outcome["command"]))
    if commands:
        yield "## Commands"
        yield "\n".join(commands)
