"""The report of an ablation, from run directories whose figures are made up."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from sagan_tf import ablation_report
from sagan_tf.ablations import Cell
from tests.tiny import FLAGS

CONFIG = {
    **{k: v for k, v in FLAGS.items() if k not in ("attention_resolution", "z_dim")},
    **{"num_classes": 10, "total_steps": 200, "z_dim": 8},
    "attention_resolution": [16],
}


def evaluation(step, fid, inception=False):
    metrics = {"fid": fid, "inception_score": 10 - fid, "class_accuracy": 0.5}
    metrics |= {"precision": 0.7, "recall": 0.25}
    return {
        "step": step,
        "num_fake": 500,
        "num_real": 400,
        "metrics": metrics,
        "protocol": {"name": "quick-5k"},
        "network": {
            "name": "Inception" if inception else "digits-cnn",
            "is_inception": inception,
        },
    }


def write(path, name, seed, fids=(), status=0, diversity=0.6, **changes):
    """A run directory; returns its `Cell`."""
    workdir = path / name / f"seed_{seed}"
    (workdir / "samples").mkdir(parents=True)

    def put(file, *values):
        text = "\n".join(json.dumps(value) for value in values) + "\n"
        (workdir / file).write_text(text)

    put("config.json", {**CONFIG, **changes})
    put("data.json", {"description": "digits"})
    speeds = [{"step": step, "images_per_second": 40.0} for step in (50, 100, 150)]
    put("metrics.jsonl", *speeds)
    put("health.jsonl", {"step": 200, "diversity": diversity})
    if fids:
        put("evaluations.jsonl", *(evaluation(*pair) for pair in fids))
    if status is not None:
        command = ["python", "-m", "sagan_tf.train", name]
        put("outcome.json", {"status": status, "seconds": 120.0, "command": command})
    pixels = np.full((8, 12, 3), 50 * seed, "uint8")
    Image.fromarray(pixels).save(workdir / "samples" / "step_00000200.png")
    return Cell(name, seed, "f", (), workdir)


def report(path, cells, left_out=()):
    return ablation_report.write_report(path, cells, left_out).read_text()


def row(text, name):
    """The cells of a table's row."""
    (line,) = re.findall(rf"^\| {re.escape(name)} \|(.*)\|$", text, re.MULTILINE)
    return [cell.strip() for cell in line.split("|")]


def test_mean_and_deviation_are_over_seeds(tmp_path):
    cells = [
        write(tmp_path, "no_attention", 0, [(100, 9.0), (200, 4.0)]),
        write(tmp_path, "no_attention", 1, [(100, 7.0), (200, 6.0)]),
        write(tmp_path, "feat16", 0, [(200, 3.0)]),
    ]
    text = report(tmp_path, cells)
    assert row(text, "FID") == ["5.00 ± 1.41", "3.00"]
    assert row(text, "IS") == ["5.00 ± 1.41", "7.00"]
    assert row(text, "SN on G and D, TTUR")[:2] == ["8.00", "5.00"]


def test_the_first_line_says_what_the_numbers_are(tmp_path):
    text = report(tmp_path, [write(tmp_path, "feat16", 0, [(200, 3.0)])])
    first = text.splitlines()[2]
    assert first.startswith("digits, 32 pixels, 200 steps of 4 images, widths 4 (G)")
    assert "Features of digits-cnn; protocol quick-5k: 500 generated" in first
    assert "These are not ImageNet numbers" in first


def test_imagenet_numbers_are_called_so_with_inception_alone(tmp_path):
    own = {"dataset": "tfds:imagenet2012", "resolution": 128}
    cell = write(tmp_path / "a", "feat16", 0, [(200, 3.0)], **own)
    assert "not ImageNet numbers" in report(tmp_path / "a", [cell])
    cell = write(tmp_path / "b", "feat16", 0, [(200, 3.0, True)], **own)
    assert "The paper's data set and size" in report(tmp_path / "b", [cell])


def test_a_cell_that_diverged_is_there_and_says_so(tmp_path):
    cells = [
        write(tmp_path, "no_attention", 0, [(200, 4.0)]),
        write(tmp_path, "feat16", 0, [(100, 9.0)], status=4),
        write(tmp_path, "feat8", 0, [(200, 5.0)]),
        write(tmp_path, "feat8", 1, [(100, 5.0)], status=4),
    ]
    text = report(tmp_path, cells)
    assert row(text, "FID") == ["4.00", "5.00 (1 of 2 diverged)", "diverged"]
    assert "feat16, seed 0: **diverged**, a loss became NaN or infinite" in text


def test_what_has_not_ended_does_not_count(tmp_path):
    cells = [
        write(tmp_path, "no_attention", 0, [(200, 4.0)]),
        write(tmp_path, "no_attention", 1, [(100, 9.0)], status=None),
        write(tmp_path, "feat16", 0, [(100, 2.0)]),
    ]
    text = report(tmp_path, cells)
    # The last one has no evaluation of its last step.
    assert row(text, "FID") == ["4.00 (1)", "-"]
    assert "no_attention, seed 1: not finished (step 150)." in text


def test_a_collapse_is_named(tmp_path):
    cells = [write(tmp_path, "sn_d_only", 0, [(200, 99.0)], diversity=0.02)]
    assert "sn_d_only, seed 0: **collapsed**" in report(tmp_path, cells)
    cells = [write(tmp_path / "b", "sn_d_only", 0, [(200, 9.0)], diversity=0.2)]
    assert "collapsed**" not in report(tmp_path / "b", cells)


def test_what_has_no_place_is_named(tmp_path):
    cells = [write(tmp_path, "feat16", 0, [(200, 3.0)])]
    assert "No place at this resolution: feat64." in report(tmp_path, cells, ["feat64"])


def test_sizes_are_those_of_the_networks(tmp_path):
    cells = [
        write(tmp_path, "no_attention", 0, [(200, 4.0)], attention_resolution=[]),
        write(tmp_path, "feat16", 0, [(200, 4.0)]),
    ]
    text = report(tmp_path, cells)
    plain, attending = row(text, "no_attention"), row(text, "feat16")
    # 16 channels at 16 x 16: 1.25 C^2 + 1.
    assert int(attending[0].replace(",", "")) - int(plain[0].replace(",", "")) == 321
    assert float(attending[2]) > float(plain[2]) > 0
    assert plain[3:] == ["40.0", "2.0"]


def test_single_settings_stand_beside_their_base(tmp_path):
    cells = [
        write(tmp_path, "feat32", 0, [(200, 4.0)]),
        write(tmp_path, "paper_icml", 0, [(200, 5.0)]),
    ]
    text = report(tmp_path, cells)
    assert row(text, "nothing") == ["4.00", "6.00", "0.700", "0.250"]
    assert row(text, "paper icml") == ["5.00", "5.00", "0.700", "0.250"]


def test_pictures_are_side_by_side(tmp_path):
    names = ["sn_d_only", "sn_both", "no_attention", "feat8", "feat16"]
    cells = [write(tmp_path, name, 0, [(200, 4.0)]) for name in names]
    text = report(tmp_path, cells)
    assert f"row by row: {', '.join(names)}." in text
    with Image.open(tmp_path / "samples.png") as sheet:
        assert sheet.size == (4 * 12 + 3 * 12, 2 * 8 + 12)
    with Image.open(tmp_path / "stabilisation.png") as curves:
        assert curves.width == 1200


def test_a_report_of_nothing_says_so(tmp_path):
    cell = Cell("feat16", 0, "f", (), tmp_path / "feat16" / "seed_0")
    text = report(tmp_path, [cell])
    assert "Nothing has been evaluated yet." in text
    assert "feat16, seed 0: not finished (step 0)." in text


@pytest.mark.parametrize("file", ["metrics.jsonl", "health.jsonl"])
def test_files_that_are_not_there_yet_are_no_obstacle(tmp_path, file):
    cell = write(tmp_path, "feat16", 0, [(200, 3.0)])
    (cell.workdir / file).unlink()
    assert "feat16" in report(tmp_path, [cell])
