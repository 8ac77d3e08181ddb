"""Writes report.html and report.md: data, images, metrics in words, next steps."""

import pathlib
import shlex

import keras
import numpy as np

from sagan_tf.attention_maps.report import make_report as make_attention
from sagan_tf.data import survey as surveys
from sagan_tf.errors import BadInput
from sagan_tf.evaluation import evaluator, runs
from sagan_tf.evaluation.comparison import TITLES
from sagan_tf.evaluation.protocols import find_protocol
from sagan_tf.files import check_writable, write_text
from sagan_tf.planning import flops
from sagan_tf.planning.page import amount
from sagan_tf.reports import words
from sagan_tf.reports.page import Section, as_html, as_markdown
from sagan_tf.run import building
from sagan_tf.run.directory import read_config
from sagan_tf.run.records import (
    EVALUATIONS,
    draw_metrics,
    find_grids,
    find_json,
    read_metrics,
)
from sagan_tf.sampling.drawing import Drawing
from sagan_tf.sampling.progress import read_grid
from sagan_tf.training.collapse_watch import HEALTH, PICTURE
from sagan_tf.training.complaints import complaints, values_of
from sagan_tf.training.dry_run import draw_data

# The folder in a run for the images that only the report has.
FOLDER = "report"
# Numbers of earlier sample grids, and of classes in the walk and the neighbours.
_GRIDS, _CLASSES = 4, 4
# The form of data.json, see `records`.
_DATA = {
    "description": str,
    "survey?": {
        **dict.fromkeys(("num_images", "resolution", "looked_at", "enlarged"), int),
        "counts": {...: int},
        "sizes": dict.fromkeys(("smallest", "median", "largest", "different"), int),
        "modes": {...: int},
        "duplicates": int,
        "same": [[str]],
        "unreadable": [str],
    },
}
# At least this many images are generated for the metrics.
_LEAST_FAKE = 1000


def write_report(workdir, evaluate=True):
    """Writes report.html, which holds its images, and report.md.

    Args:
        workdir: path of a run with a checkpoint.
        evaluate: bool, whether to evaluate the newest checkpoint, if not done before.

    Returns:
        Path of the HTML.

    Raises:
        BadInput: there is no run, or it has no good checkpoint.
        OSError: a file cannot be read or written.
    """
    workdir = pathlib.Path(workdir)
    _check_files(workdir)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # After a mixed-precision training, too.
    try:
        sections = _sections(workdir, evaluate)
    finally:
        keras.config.set_dtype_policy(before)
    title = f"Training of {workdir.resolve().name}"
    path = workdir / "report.html"
    write_text(workdir / "report.md", as_markdown(title, sections, workdir))
    write_text(path, as_html(title, sections))
    return path


def _check_files(workdir):
    """Reads files that could spoil a report, and checks that it can be written."""
    read_config(workdir)
    _about_data(workdir)
    _versions(workdir)
    for path in find_grids(workdir).values():
        read_grid(path)
    for name in ("report.html", "report.md"):
        check_writable(workdir / name)


def _about_data(workdir):
    return find_json(workdir / "data.json", _DATA) or {}


def _versions(workdir):
    return (find_json(workdir / "versions.json", [{}]) or [{}])[-1]


def _sections(workdir, evaluate):
    generator, config, _, step = building.load_generator(workdir)
    (workdir / FOLDER).mkdir(exist_ok=True)
    draw_metrics(workdir)
    numbers = _numbers(workdir, config, step, evaluate)
    sections = [
        _result(workdir, config, step),
        _data(workdir, config),
        numbers,
        _course(workdir),
        _walk(workdir, config),
        _neighbours(workdir, config),
        _attention(workdir, config),
        _machine(workdir, config, generator),
        _next(workdir, config, step),
    ]
    return [section for section in sections if section is not None]


def _result(workdir, config, step):
    grids = find_grids(workdir)
    text = f"Step {step:,} of {config.total_steps:,}."
    if not grids:
        return Section("Result", [text])
    last = max(grids)
    caption = f"Generated images of step {last:,}, and real images on the right"
    return Section("Result", [text], figures=[(grids[last], caption)])


def _data(workdir, config):
    about = _about_data(workdir)
    text = [about.get("description", config.dataset)]
    survey, rows, figures = about.get("survey"), [], []
    if survey:
        counts = survey["counts"]
        text += [*surveys.describe(survey)[1:]]
        text += surveys.meaning(
            survey, config.balance_classes, config.skip_bad_images, bool(config.augment)
        )
        rows = [(name, f"{count:,} images") for name, count in counts.items()]
    if config.balance_classes:
        text.append("Classes were drawn equally often (--balance_classes).")
    try:
        source, config = building.open_data(config)
        path = workdir / FOLDER / "data.png"
        draw_data(config, source, path)
        figures.append((path, "Real images as the networks see them"))
    except BadInput as error:
        text.append(f"The images themselves cannot be shown: {error}")
    return Section("Data", text, rows, figures)


def _numbers(workdir, config, step, evaluate):
    """Returns the section about the newest checkpoint's last evaluation."""
    title = "Metrics"
    record = _record(workdir, step)
    if record is None and evaluate:
        try:
            how = evaluator.open_how(workdir, config, changes=_fewer(config))
            runs.evaluate_checkpoint(how, workdir, step)
        except BadInput as error:
            return Section(title, [f"Not measured: {error}"])
        record = _record(workdir, step)
    if record is None:
        return Section(title, ["Not measured. Try python -m sagan_tf.evaluate."])
    network = record["network"]
    # Values that were not finite are null.
    metrics = {k: v for k, v in record["metrics"].items() if v is not None}
    is_inception = bool(network.get("is_inception"))
    text = [
        f"{record.get('num_fake', 0):,} generated images of step {step:,} against "
        f"{record.get('num_real', 0):,} real ones, protocol "
        f"{record['protocol']['name']}, feature network {network['name']}.",
        *record.get("warnings", ()),
    ]
    rows = [("metric", "value", "what it means")]
    meanings = dict(words.explained(metrics, config, is_inception))
    for name, meaning in meanings.items():
        rows.append((TITLES[name], f"{metrics[name]:.4g}", f"{meaning}."))
    others = [
        f"{TITLES[name]} {value:.4g}"
        for name, value in metrics.items()
        if name in TITLES and name not in meanings
    ]
    rows.append(("others", "", f"{', '.join(others)}."))
    return Section(title, text, rows)


def _record(workdir, step):
    """Returns the last evaluation of a step: dict, or `None`."""
    records = [r for r in read_metrics(workdir / EVALUATIONS) if r["step"] == step]
    return records[-1] if records else None


def _fewer(config):
    """Returns fewer generated images than the protocol for small data sets: dict."""
    try:
        count = building.open_source(config).num_images
    except BadInput:  # The evaluation reports it.
        return {}
    num_fake = find_protocol(config.protocol).num_fake
    return {"num_fake": int(np.clip(count, _LEAST_FAKE, num_fake))}


def _course(workdir):
    """Returns the section with the curves and the earlier grids."""
    grids, text, figures = find_grids(workdir), [], []
    looks = read_metrics(workdir / HEALTH)
    if looks:
        values = [values_of(look) for look in looks]
        problems = complaints(values[-1], values[:-1])
        text = [each.text for each in problems] or ["The last check found no problem."]
    earlier = sorted(grids)[:-1]
    if len(earlier) > _GRIDS:
        earlier = [
            earlier[i * (len(earlier) - 1) // (_GRIDS - 1)] for i in range(_GRIDS)
        ]
    figures += [(grids[step], f"Step {step:,}") for step in earlier]
    for name, caption in (
        ("metrics.png", "Losses, logits, accuracy, and evaluations, over the steps"),
        (PICTURE, "Health: variety of the images, logits, gradients, sigma"),
    ):
        if (workdir / name).exists():
            figures.append((workdir / name, caption))
    return Section("The training", text, figures=figures)


def _drawing(workdir, config, seeds):
    labels = None
    if config.num_classes:
        labels = f"0-{min(_CLASSES, config.num_classes) - 1}"
    return Drawing(
        workdir,
        checkpoint="newest",
        ema=True,
        seeds=seeds,
        labels=labels,
        truncation=None,
    )


def _walk(workdir, config):
    path = workdir / FOLDER / "walk.png"
    if config.num_classes < 2:
        drawing = _drawing(workdir, config, "0-3")
        drawing.write(path, interpolate=True, captions=True, columns=8)
        caption = "From one z to the next"
    else:
        drawing = _drawing(workdir, config, "0-2")
        drawing.write(path, interpolate_labels=True, captions=True, columns=6)
        caption = "From class to class: z stays, the class changes"
    text = [
        "If the generator has learned the classes, the images change smoothly and keep "
        "the pose and colors that z decides."
    ]
    return Section("A walk", text, figures=[(path, caption)])


def _neighbours(workdir, config):
    path = workdir / FOLDER / "neighbours.png"
    title = "Nearest training images"
    drawing = _drawing(workdir, config, "0-1" if config.num_classes else "0-7")
    try:
        drawing.write(path, neighbours=4)
    except BadInput as error:
        return Section(title, [f"Not searched: {error}"])
    notes = find_json(path.with_suffix(".neighbours.json"), {"report": [str]})
    text = [
        "Has the generator copied training images? Left: a generated image. Right of "
        "it: the training images that are nearest to it.",
        *notes["report"][-1:],
    ]
    caption = "Distances below; a note marks possible copies"
    return Section(title, text, figures=[(path, caption)])


def _attention(workdir, config):
    if not config.generator_attention or config.attention_variant == "residual":
        return None
    path = workdir / FOLDER / "attention.png"
    labels = "0" if config.num_classes else None
    maps = make_attention(workdir, seeds=[0, 1], labels=labels, network="generator")
    maps.write(path)
    text = ["The maps show what each marked point of a generated image looks at."]
    caption = "Query points, and the map of each point"
    return Section("Attention", text, figures=[(path, caption)])


def _machine(workdir, config, generator):
    lines = read_metrics(workdir / "metrics.jsonl")
    versions = _versions(workdir)
    before, seconds = 0, 0.0
    for line in lines:
        if line.get("images_per_second"):
            seconds += (line["images"] - before) / line["images_per_second"]
        before = line.get("images", before)
    rows = [("device", str(versions.get("device", "unknown")))]
    if seconds:
        rows.append(("time of the training steps", _duration(seconds)))
        rows.append(("images per second", f"{before / seconds:,.1f}"))
    work = flops.forward_flops(generator)
    rows.append(("work of one generated image", amount(work, "FLOP")))
    rows += [
        (name, str(versions[name]))
        for name in ("sagan_tf", "tensorflow", "keras", "python", "git_commit")
        if versions.get(name)
    ]
    rows.append(("seed", str(config.seed)))
    return Section("Time and machine", rows=rows)


def _duration(seconds):
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def _next(workdir, config, step):
    more = 2 * max(step, config.total_steps)
    command, run = "python -m sagan_tf.", f"--workdir={shlex.quote(str(workdir))}"
    output = shlex.quote(f"models/{workdir.resolve().name}/1")
    return Section(
        "What next",
        ["Continue the training; draw images; evaluate again; export the generator."],
        commands=[
            f"{command}train {run} --total_steps={more}",
            f"{command}sample {run} --seeds=0-63 --output=grid.png",
            f"{command}evaluate {run}",
            f"{command}export {run} --output={output}",
        ],
    )
